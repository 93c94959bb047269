"""What a person does while a load test goes on."""

from __future__ import annotations

import subprocess
import sys

from infra.local.chaos import traces
from infra.local.cloud import LocalCloud


def cancels(cloud: LocalCloud, run_id: str) -> bool:
    """Cancel the run by the command for it. False: it had ended already, or is stopped for another reason."""
    command = [sys.executable, "-m", "lambdas.cli", "cancel", run_id]
    environment = {**cloud.environment, **cloud.shell}
    done = subprocess.run(command, env=environment, check=False, capture_output=True)
    return done.returncode == 0 and traces.is_cancelled(cloud, run_id)
