"""``make demo``: the whole thing, for real, on this machine.

Brings up the local cloud, uploads images and a manifest, shows the run live, fetches the results to
``.local/demo/`` and takes the cloud down again. The exit code is the run's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from infra.components.artifacts import read_model
from infra.local import results
from infra.local.cloud import PERSONAL, LocalCloud
from infra.local.dashboard.rendering import render
from infra.local.demo_view import show_rejection, show_result, warn_untrained
from infra.local.sample_images import write_sample_images
from infra.local.submit import upload_photos
from infra.local.watch import follow
from infra.package import main as package_code
from lambdas.cli import commands, live_view, report_command, views
from lambdas.cli.dialogue import Terminal
from lambdas.cli.photo_folder import PhotoFolder, dataset_name, read_folder
from lambdas.cli.stack import Stack, connect
from lambdas.cli.submission import manifest_of, upload_manifest
from lambdas.contract.model_package import UNTRAINED

FOLDER = Path(".local/demo")
BUILD = Path("build")
SAMPLE_DATASET = "sample-fruits"
REPORT = "report.html"
PATIENCE_SECONDS = 120.0
"""For the launcher's answer, and for the cluster of a run that has ended; both take seconds."""
POLL_SECONDS = 0.5
INTERRUPTED = 130
"""Exit code after ctrl-C, by the shells' convention."""


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER, build: Path = BUILD) -> int:
    """Run the demo; returns the process's exit code.

    Args:
        arguments: the command line; None: the process's own.
        folder: receives the sample images, the logs of the local cloud, the results.
        build: receives what is packaged.
    """
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder that holds a folder of images for each class")
    parser.add_argument("--weights", help="MobileNetV2 weights without top, a Keras .h5 file")
    options = parser.parse_args(arguments)
    console = Console()
    started = time.monotonic()
    try:
        photos, problem = look_at(options.data or sample(folder))
        if photos is None:
            console.print(f"[bold red]Cannot start:[/] {escape(problem)}", highlight=False, soft_wrap=True)
            return 2
        with console.status("Packaging the code and the model (the first time takes half a minute)..."):
            exit_code = package(options.weights, build)
        return exit_code or run_demo(console, photos, folder, build, started)
    except TimeoutError as error:
        console.print(f"[bold red]Given up:[/] {error}; the logs are in {folder / 'cloud'}")
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped. The local cloud is down and nothing is left running.")
        return INTERRUPTED


def sample(folder: Path) -> Path:
    """Draw the sample images below ``folder``."""
    data = folder / "images" / SAMPLE_DATASET
    shutil.rmtree(data, ignore_errors=True)
    write_sample_images(data)
    return data


def look_at(data: Path) -> tuple[PhotoFolder | None, str]:
    """The photos; or None, and why they cannot be submitted."""
    try:
        found = read_folder(data)
    except OSError as error:
        return None, f"{data} cannot be read: {error.strerror}"
    faults = found.faults()
    return (None, views.faults(faults)) if faults else (found, "")


def package(weights: str | None, build: Path) -> int:
    """Build in ``build`` what a deployment uploads, with untrained weights if there really are no others.

    Returns 0, or the exit code of what failed, which has said why and what to do.
    """
    if exit_code := package_code(build):
        return exit_code
    chosen = ["--weights", weights] if weights else ["--allow-untrained"]
    command = [sys.executable, "-m", "spark.features.package_model", "--out", str(build / "model"), *chosen]
    # TensorFlow chats on standard error as it starts; only a failure makes that worth reading.
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
    return done.returncode


def run_demo(console: Console, photos: PhotoFolder, folder: Path, build: Path, started: float) -> int:
    """Upload, watch, fetch to ``folder``, show. Returns 0 when the run completed, else 1."""
    if read_model(build / "model").weights == UNTRAINED:
        warn_untrained(console)
    dataset = dataset_name(photos.folder)
    with console.status("Starting the local cloud: MiniStack, the Pulumi program, the EMR endpoint..."):
        cloud = LocalCloud(folder / "cloud", build=build)
        cloud.start()
    try:
        console.print(
            f"[green]✓[/] local cloud is up: {len(cloud.resources)} resources of the Pulumi program; a Spark "
            f"worker for each node of a cluster, but {cloud.slots} at most, as many as there are cores"
        )
        s3, emr = cloud.client("s3"), cloud.client("emr")
        with Terminal(console, yes=True).bar("photos", len(photos.photos), photos.size) as advance:
            upload_photos(s3, cloud.bucket, dataset, photos.folder, lambda photo, _: advance(photo.size))
        run = upload_manifest(s3, cloud.bucket, dataset, manifest_of(photos, cloud.bucket, dataset))
        console.print(
            f"[green]✓[/] uploaded s3://{cloud.bucket}/{run.key}: the event starts run [bold]{run.run_id}[/]"
        )
        with console.status("Waiting for the launcher..."):
            looks = follow(s3, emr, cloud.bucket, run, PATIENCE_SECONDS)
            answer = next(look for look in looks if look.answered)
        if answer.rejection:
            show_rejection(console, answer.rejection)
            return 1
        live_view.follow(commands.watch(connect_to(cloud), run.run_id, poll_seconds=POLL_SECONDS), console)
        *_, last = follow(s3, emr, cloud.bucket, run, PATIENCE_SECONDS)
        return _finish(console, cloud, folder, photos.folder, last.status or {}, time.monotonic() - started)
    finally:
        cloud.stop()


def connect_to(cloud: LocalCloud) -> Stack:
    """The stack, as the commands for people know it; from now on this process is a shell that does."""
    for name in PERSONAL:
        os.environ.pop(name, None)
    os.environ.update(cloud.environment | cloud.shell)
    return connect(os.environ)


def _finish(
    console: Console, cloud: LocalCloud, folder: Path, data: Path, status: dict[str, Any], elapsed: float
) -> int:
    fetched = results.fetch(cloud.client("s3"), cloud.bucket, folder, status)
    show_result(console, status, fetched, folder / "cloud", elapsed)
    page = render(cloud, folder, since=time.time() - elapsed, runs=1)
    console.print(f"  dashboard  {page}", highlight=False)
    if status["state"] != "COMPLETED":
        return 1
    report_command.report(status["run_id"], folder / REPORT, folder, data, lambda: connect_to(cloud))
    console.print(
        f"\n[bold green]Open this in a browser:[/] {folder / REPORT}", highlight=False, soft_wrap=True
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
