"""From a running local cloud to a page."""

from __future__ import annotations

import json
import time
from pathlib import Path

from infra.local.cloud import LocalCloud
from infra.local.dashboard.metrics import collect
from infra.local.dashboard.page import page
from infra.local.dashboard.panels import Window
from infra.local.dashboard.reading import read


def render(cloud: LocalCloud, folder: Path, *, since: float, runs: int) -> Path:
    """Write ``dashboard.html``, of everything that was measured since then (Unix seconds).

    ``runs`` have ended. To be called once a cloud, see :func:`infra.local.dashboard.metrics.collect`.
    """
    collect(cloud, runs)
    cloudwatch, name = cloud.client("cloudwatch"), cloud.outputs["dashboard"]
    dashboard = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
    window = Window.between(since, time.time())
    target = folder / "dashboard.html"
    target.write_text(page(name, read(dashboard, cloudwatch, window), window))
    return target
