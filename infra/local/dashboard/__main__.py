"""``make dashboard``: a few runs in a local cloud, then the stack's dashboard as ``build/dashboard.html``.

One run completes, one has images in quarantine, one fails, one manifest is rejected; a single cluster at a
time lets the others queue. The reconciler, which on AWS comes every five minutes, comes every few seconds.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from pulumi import RunError
from rich.console import Console

from infra.local.cloud import FolderInUseError, LocalCloud
from infra.local.dashboard.rendering import render
from infra.local.demo import package
from infra.local.ministack import MiniStackError
from infra.local.sample_images import write_sample_images
from infra.local.submit import upload_photos
from infra.local.watch import look
from infra.program import BUILD, REPOSITORY
from lambdas.cli.submission import Submitted, manifest_for, upload_manifest

FOLDER = REPOSITORY / ".local" / "dashboard"
ONE_AT_A_TIME = {"fruits:maxClusters": "1", "fruits:launchesPerSecond": "10"}
TICK_SECONDS = 4.0
RUNS_TIMEOUT_SECONDS = 600.0
INTERRUPTED = 130
"""Exit code after ctrl-C, by the shells' convention."""


def main() -> int:
    """Let the runs happen and write the page; returns the process's exit code."""
    console = Console()
    try:
        with console.status("Packaging the code and the model (the first time takes half a minute)..."):
            exit_code = package(weights=None, build=BUILD)
        if exit_code:
            return exit_code
        with console.status("Starting the local cloud..."):
            cloud = LocalCloud(FOLDER / "cloud", build=BUILD, config=ONE_AT_A_TIME)
            started = time.time()
            cloud.start()
        try:
            with console.status("One run completes, one has images in quarantine, one fails..."):
                runs = let_runs_happen(cloud, FOLDER / "images")
            page = render(cloud, BUILD, since=started, runs=len(runs))
        finally:
            cloud.stop()
    except KeyboardInterrupt:
        console.print("\nStopped. The local cloud is down and nothing is left running.")
        return INTERRUPTED
    except (FolderInUseError, MiniStackError, RunError, TimeoutError) as error:
        console.print(f"[bold red]dashboard:[/] {error}")
        return 1
    console.print(f"[green]✓[/] open {page.relative_to(REPOSITORY)} in a browser")
    return 0


def let_runs_happen(cloud: LocalCloud, folder: Path) -> list[Submitted]:
    """Upload everything, then reconcile until all runs have ended: of ``fruits``, ``flawed`` and ``broken``.

    ``folder`` receives the images.

    Raises:
        TimeoutError: one of them has not.
    """
    shutil.rmtree(folder, ignore_errors=True)
    write_sample_images(folder / "flawed")
    shutil.copytree(folder / "flawed", folder / "fruits", ignore=shutil.ignore_patterns("cut*", "not*"))
    (folder / "broken").mkdir()
    (folder / "broken" / "1.jpg").write_bytes(b"no picture")
    runs = [_submit(cloud, folder / name) for name in ("fruits", "flawed", "broken")]
    upload_manifest(
        cloud.client("s3"), cloud.bucket, "mistyped", manifest_for(cloud.bucket, "fruits", engin="fast")
    )
    _reconcile_until_over(cloud, runs)
    return runs


def _submit(cloud: LocalCloud, folder: Path) -> Submitted:
    s3, dataset = cloud.client("s3"), folder.name
    upload_photos(s3, cloud.bucket, dataset, folder)
    manifest = manifest_for(cloud.bucket, dataset, model={"image_size": 96}, pca={"components": 10})
    return upload_manifest(s3, cloud.bucket, dataset, manifest)


def _reconcile_until_over(cloud: LocalCloud, runs: list[Submitted]) -> None:
    deadline = time.monotonic() + RUNS_TIMEOUT_SECONDS
    s3, emr = cloud.client("s3"), cloud.client("emr")
    functions = cloud.client("lambda")
    while True:
        functions.invoke(FunctionName=cloud.outputs["reconciler_function"], Payload=b"{}")
        left = [run.run_id for run in runs if not look(s3, emr, cloud.bucket, run).ended]
        if not left:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"these runs have not ended: {', '.join(left)}; look at {cloud.folder}")
        time.sleep(TICK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
