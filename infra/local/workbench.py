"""``make workbench``: JupyterHub beside a finished run, on this machine, until ctrl-C.

Brings up the local cloud, computes a run of sample images (or of your own), uploads the manifest of a
workbench, and shows the way in. Notebooks are brought to ``.local/workbench/notebooks`` when it ends, and
back the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from pulumi import RunError
from rich.console import Console
from rich.markup import escape

from infra.components.workbench.kept import misfits
from infra.local.cloud import FolderInUseError, LocalCloud, write_environment
from infra.local.demo import INTERRUPTED, connect_to, look_at, package, sample
from infra.local.hub.installation import NotInstalledError, find
from infra.local.ministack import MiniStackError
from infra.local.process import undisturbed
from infra.local.submit import upload_photos
from infra.local.watch import Snapshot, follow, look
from infra.program import BUILD, REPOSITORY
from lambdas.aws.uploads import S3Uploads
from lambdas.cli import commands, live_view, workbench
from lambdas.cli.photo_folder import PhotoFolder, dataset_name
from lambdas.cli.result import ExitCode
from lambdas.cli.submission import Submitted, ask_for_run, manifest_of, upload_manifest
from lambdas.contract.layout import notebooks_mark, notebooks_of
from lambdas.contract.run import WORKBENCH_PREFIX
from lambdas.contract.workbench import USER

FOLDER = REPOSITORY / ".local" / "workbench"
NOTEBOOKS = "notebooks"
NAME = "explore"
HOURS = 12
DOOR = {"fruits:workbenchCidrs": '["192.0.2.0/24"]'}
"""Documentation's own addresses: a workbench needs a door, and here nobody comes through it."""
RECONCILE_SECONDS = 60.0
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 300.0
"""For the workbench to open, and for its cluster to end; both take half a minute."""


class WorkbenchError(RuntimeError):
    """It could not be opened. The message says why."""


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER, build: Path = BUILD) -> int:
    """Open a workbench and keep it until it ends, or ctrl-C; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="make workbench", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder that holds a folder of images for each class")
    parser.add_argument("--weights", help="MobileNetV2 weights without top, a Keras .h5 file")
    options = parser.parse_args(arguments)
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        find()
        photos, problem = look_at(options.data or sample(folder))
        if photos is None:
            console.print(f"[bold red]Cannot start:[/] {escape(problem)}", highlight=False, soft_wrap=True)
            return 2
        with console.status("Packaging the code and the model (the first time takes half a minute)..."):
            exit_code = package(options.weights, build)
        return exit_code or _run(console, photos, folder, build)
    except KeyboardInterrupt:
        console.print("\nStopped. The local cloud is down and nothing is left running.")
        return INTERRUPTED
    except (FolderInUseError, MiniStackError, NotInstalledError, RunError, WorkbenchError) as error:
        console.print(f"[bold red]workbench:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 1


def _run(console: Console, photos: PhotoFolder, folder: Path, build: Path) -> int:
    with console.status("Starting the local cloud: MiniStack, the Pulumi program, the EMR endpoint..."):
        cloud = LocalCloud(folder / "cloud", build=build, config=DOOR)
        cloud.start()
    try:
        s3, dataset = cloud.client("s3"), dataset_name(photos.folder)
        upload_photos(s3, cloud.bucket, dataset, photos.folder)
        run = upload_manifest(s3, cloud.bucket, dataset, manifest_of(photos, cloud.bucket, dataset))
        _wait(cloud, run, lambda seen: seen.answered)
        watched = commands.watch(connect_to(cloud), run.run_id, poll_seconds=POLL_SECONDS)
        if live_view.follow(watched, console) is not ExitCode.OK:
            console.print(f"The run did not complete; the logs are in {cloud.folder}")
            return 1
        _bring(cloud, folder / NOTEBOOKS)
        opened = _ask(cloud, run.run_id)
        try:
            with console.status("Opening the workbench (half a minute)..."):
                _wait(cloud, opened, lambda seen: _state(seen) == "RUNNING")
            _show(console, cloud, opened)
            _attend(console, cloud, opened)
        finally:
            with undisturbed(), console.status("Ending the workbench, and fetching its notebooks..."):
                _end(cloud, opened)
                kept, left = _fetch(cloud, folder / NOTEBOOKS)
            ended = f"The workbench has ended; its {kept} notebooks and files are in {folder / NOTEBOOKS}"
            not_fetched = [f"  not fetched: {name}: {why}" for name, why in left.items()]
            told = "\n".join([ended, *not_fetched])
            console.print(told, highlight=False, markup=False, soft_wrap=True)
    finally:
        cloud.stop()
    return 0


def _ask(cloud: LocalCloud, run_id: str) -> Submitted:
    asked = {"name": NAME, "hours": HOURS, "workers": 1, "run": run_id}
    body = json.dumps({"version": 1, "workbench": asked}).encode()
    uploads = S3Uploads(cloud.client("s3"), cloud.bucket)
    return ask_for_run(uploads, cloud.bucket, NAME, f"{WORKBENCH_PREFIX}{NAME}", body)


def _wait(cloud: LocalCloud, run: Submitted, is_enough: Callable[[Snapshot], bool]) -> None:
    """Until it is enough, or over.

    Raises:
        WorkbenchError: neither happened; or it is over, and why.
    """
    s3, emr = cloud.client("s3"), cloud.client("emr")
    try:
        for seen in follow(s3, emr, cloud.bucket, run, PATIENCE_SECONDS):
            if is_enough(seen):
                return
    except TimeoutError as error:
        raise WorkbenchError(f"{run.run_id} takes too long; the logs are in {cloud.folder}") from error
    why = seen.rejection["faults"] if seen.rejection else (seen.status or {}).get("message")
    raise WorkbenchError(f"{run.run_id} has ended: {why}; the logs are in {cloud.folder}")


def _state(seen: Snapshot) -> str | None:
    return seen.status["state"] if seen.status else None


def _show(console: Console, cloud: LocalCloud, opened: Submitted) -> None:
    """The way in, and a browser in front of it where there is one."""
    stack = connect_to(cloud)
    known = workbench.opened(stack, NAME).document
    status = look(cloud.client("s3"), cloud.client("emr"), cloud.bucket, opened).status or {}
    url = cloud.hub_url(status["cluster_id"])
    console.print(
        f"\n[bold green]The workbench is open:[/] {url}\n"
        f"  user         {USER}\n"
        f"  password     {workbench.password(stack, NAME).text}\n"
        f"  certificate  SHA-256 {known['certificate_sha256']}\n"
        "               (nobody vouches for it, so the browser warns: compare, then go on)\n"
        f"  until        {known['ends_at']}, or {known['idle_minutes']} min after the last busy kernel\n\n"
        f"For `fruits` and `aws` in another terminal:\n  source {escape(str(write_environment(cloud)))}\n\n"
        "ctrl-C ends it, and leaves nothing running.",
        highlight=False,
        # Or `:AB:` of a fingerprint became a picture.
        emoji=False,
        soft_wrap=True,
    )
    if url and (sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(url)


def _attend(console: Console, cloud: LocalCloud, opened: Submitted) -> None:
    """Until it has ended, as the reconciler sees to, which comes every minute here."""
    functions, s3, emr = (cloud.client(name) for name in ("lambda", "s3", "emr"))
    while not (seen := look(s3, emr, cloud.bucket, opened)).ended:
        functions.invoke(FunctionName=cloud.outputs["reconciler_function"], Payload=b"{}")
        time.sleep(RECONCILE_SECONDS)
    console.print((seen.status or {}).get("message"))


def _end(cloud: LocalCloud, opened: Submitted) -> None:
    """End the cluster, so that it keeps the notebooks, as a cancelled one on AWS."""
    s3, emr = cloud.client("s3"), cloud.client("emr")
    seen = look(s3, emr, cloud.bucket, opened)
    if seen.status is None or seen.status["cluster_id"] is None:
        return
    cluster = seen.status["cluster_id"]
    emr.terminate_job_flows(JobFlowIds=[cluster])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        state = emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"]
        if state.startswith("TERMINATED"):
            return
        time.sleep(POLL_SECONDS)


def _bring(cloud: LocalCloud, folder: Path) -> None:
    """The notebooks of the last time, into the bucket."""
    for path in filter(Path.is_file, sorted(folder.rglob("*"))):
        key = f"{notebooks_of(NAME)}{path.relative_to(folder).as_posix()}"
        cloud.client("s3").upload_file(str(path), cloud.bucket, key)


def _fetch(cloud: LocalCloud, folder: Path) -> tuple[int, dict[str, str]]:
    """The notebooks that the bucket has; nothing outside the folder, whatever a notebook has written there.

    Returns how many files they are; and which could not be fetched, each with why.
    """
    s3, prefix = cloud.client("s3"), notebooks_of(NAME)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=cloud.bucket, Prefix=prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    names = [key.removeprefix(prefix) for key in keys if key != notebooks_mark(NAME)]
    left = misfits(names)
    for name in names:
        if name not in left:
            try:
                _make_room(folder, folder / name)
                s3.download_file(cloud.bucket, f"{prefix}{name}", str(folder / name))
            except OSError as error:
                left[name] = str(error)
    return len(names) - len(left), left


def _make_room(folder: Path, path: Path) -> None:
    """The folders that ``path`` is in. A file of the last time that is one by now is put aside."""
    for parent in path.relative_to(folder).parents:
        if (old := folder / parent).is_file():
            old.rename(f"{old}.before")
    path.parent.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
