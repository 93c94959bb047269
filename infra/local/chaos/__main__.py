"""``make chaos``: see :mod:`infra.local.chaos`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pulumi import RunError
from rich.console import Console
from rich.table import Table

from infra.local.chaos.invariants import committed, count_violations, living, times_passed_over, waits
from infra.local.chaos.load_test import LoadTest, NotOverError
from infra.local.chaos.older_release import build_older, job_key
from infra.local.chaos.steps import InstantSteps
from infra.local.chaos.upgrade import Upgrade
from infra.local.chaos.workbenches import Workbenches
from infra.local.chaos.workload import POISONED_SHARE, draw_failures, draw_uploads, draw_workbenches
from infra.local.cloud import INTERRUPTED, FolderInUseError, LocalCloud
from infra.local.ministack import MiniStackError
from infra.program import BUILD, REPOSITORY
from lambdas.contract.layout import IMAGES

MANIFESTS = 300
DELIVERIES = 1500
MAX_CLUSTERS = 12
MAX_EUR_PER_DAY = 24.0
"""Both caps bind: there could be more clusters, and these commit sometimes more than this."""
LAUNCHES_PER_SECOND = 20.0
TIMEOUT_SECONDS = 1200.0
"""Twice what it takes on two quiet cores."""
GUESTS = "203.0.113.0/24"
"""The network that may come to the workbenches. Source: RFC 5737, for documentation."""
MANIFESTS_PER_WORKBENCH = 30


def main() -> int:
    """Run a load test; the exit code is 0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same load (default 1)")
    parser.add_argument("--manifests", type=int, default=MANIFESTS)
    parser.add_argument("--deliveries", type=int, default=DELIVERIES)
    parser.add_argument(
        "--poisoned",
        type=float,
        default=POISONED_SHARE,
        help=f"share of the runs that something is wrong with (default {POISONED_SHARE}); "
        "with 0, the same load without them",
    )
    options = parser.parse_args()
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary = chaos(
            REPOSITORY / ".local" / "chaos",
            BUILD,
            seed=options.seed,
            manifests=options.manifests,
            deliveries=options.deliveries,
            poisoned=options.poisoned,
            log=console.print,
        )
    except KeyboardInterrupt:
        console.print("Stopped. The local cloud is down and nothing is left running.")
        return INTERRUPTED
    except (FolderInUseError, MiniStackError, NotOverError, RunError) as error:
        console.print(f"[bold red]chaos:[/] {error}")
        return 1
    target = BUILD / "chaos.json"
    target.write_text(json.dumps(summary, indent=2) + "\n")
    _show(console, summary)
    console.print(f"Written to {target.relative_to(REPOSITORY)}")
    return 1 if any(summary["violations"].values()) else 0


def chaos(
    folder: Path,
    build: Path,
    *,
    seed: int,
    manifests: int,
    deliveries: int,
    log: Any,
    poisoned: float = 0.0,
    max_clusters: int = MAX_CLUSTERS,
) -> dict[str, Any]:
    """One load test in a local cloud of its own in ``folder``, of what ``build`` holds, to which an older
    release is upgraded in the middle: what happened, and how often each invariant was violated."""
    started = time.monotonic()
    config = {
        "fruits:maxClusters": str(max_clusters),
        "fruits:maxEurPerDay": str(MAX_EUR_PER_DAY),
        "fruits:launchesPerSecond": str(LAUNCHES_PER_SECOND),
        "fruits:workbenchCidrs": json.dumps([GUESTS]),
    }
    older = build_older(build, folder / "older-release")
    steps = InstantSteps(job_key(older))
    failures = draw_failures(seed, manifests, steps)
    with LocalCloud(folder, build=older, injected=failures, config=config) as cloud:
        steps.s3 = cloud.client("s3")
        prefix = f"{IMAGES}chaos/"
        cloud.client("s3").put_object(Bucket=cloud.bucket, Key=f"{prefix}apple/1.jpg", Body=b"")
        uploads = draw_uploads(seed, manifests, deliveries, f"s3://{cloud.bucket}/{prefix}", poisoned)
        upgrade = Upgrade(cloud, build, seed, log)
        asked = draw_workbenches(seed, max(2, manifests // MANIFESTS_PER_WORKBENCH))
        load = LoadTest(cloud, steps, upgrade, Workbenches(cloud, asked), seed, log)
        load.run(uploads, TIMEOUT_SECONDS)
        evidence = load.evidence(max_clusters, MAX_EUR_PER_DAY)
    return {
        "seed": seed,
        "manifests": manifests,
        "deliveries": sum(upload.copies + upload.replays for upload in uploads),
        "seconds": round(time.monotonic() - started, 1),
        "runs": len(evidence.runs),
        "states": dict(Counter(str(run.states[-1]) for run in evidence.runs.values())),
        "clusters": len(evidence.clusters),
        "further_attempts": sum(run.attempt - 1 for run in evidence.runs.values()),
        "peak_clusters": max(living(evidence.clusters), default=0),
        "max_clusters": max_clusters,
        "peak_eur_committed": round(max(committed(evidence.clusters, evidence.accepted), default=0.0), 2),
        "max_eur_per_day": MAX_EUR_PER_DAY,
        "waited_seconds": {name: round(seconds, 1) for name, seconds in waits(evidence).items()},
        "most_times_passed_over": max(times_passed_over(evidence).values(), default=0),
        "not_told": sum(run.not_told for run in evidence.runs.values()),
        "poisoned": len(evidence.poisoned),
        "answers": dict(load.answers),
        "repairs": dict(load.repairs),
        "failures": dict(evidence.failures),
        "violations": count_violations(evidence),
    }


def _show(console: Console, summary: dict[str, Any]) -> None:
    for title, column in (("failures", "happened"), ("violations", "violated")):
        table = Table(title, column, min_width=60)
        for name, count in summary[title].items():
            bad = (count == 0) == (title == "failures")
            table.add_row(name, f"[bold red]{count}[/]" if bad else f"[green]{count}[/]")
        console.print(table)
    for name in ("answers", "repairs", "states"):
        counts = ", ".join(f"{count} {what}" for what, count in summary[name].items())
        console.print(f"{name}: {counts}", highlight=False)
    console.print(
        f"{summary['manifests']} manifests, {summary['deliveries']} deliveries, {summary['runs']} runs, "
        f"{summary['clusters']} clusters in {summary['seconds']} s; "
        f"at most {summary['peak_clusters']} of {summary['max_clusters']} clusters and "
        f"{summary['peak_eur_committed']:.2f} of {summary['max_eur_per_day']:.2f} EUR at once"
    )


if __name__ == "__main__":
    sys.exit(main())
