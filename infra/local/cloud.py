"""The local cloud: MiniStack and the EMR endpoint, with the stack's own Pulumi program applied to them.

`python -m infra.local.cloud` (``make local``) keeps one running until ctrl-C.
"""

from __future__ import annotations

import fcntl
import json
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from pulumi import RunError

from infra.local import tls
from infra.local.deploy import PROJECT, deploy
from infra.local.emr import EmrEndpoint, InjectedFailures, Recorder
from infra.local.engine.home import make_home
from infra.local.ministack import MiniStack, MiniStackError, client
from infra.local.process import StartedAndStopped, undisturbed
from infra.local.provider import LocalProvider
from infra.program import BUILD, REPOSITORY
from lambdas.cli.submission import manifest_for
from lambdas.contract.layout import IMAGES, MANIFESTS, REJECTIONS, RUNS

STACK = "local"
REGION = "eu-west-1"
CONFIG = {"aws:region": REGION, "fruits:nodePackages": "preinstalled"}
"""The nodes are this machine, whose interpreter has every package already."""
EXAMPLE_DATASET = "my-photos"
PULUMI = "pulumi-home"
"""The folder of Pulumi's home for a person's own stacks. Their state ends with the cloud that they are in."""
OWN_STACK = "mine"
PERSONAL = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
"""Variables of a person's own account that would go before this cloud's."""
SERVICE_LINKED = ("elasticmapreduce.amazonaws.com", "spot.amazonaws.com")
"""Whose roles an account has once its owner made them, by docs/deploy.md."""
INTERRUPTED = 130
"""Exit code after ctrl-C, by the shells' convention."""


class FolderInUseError(RuntimeError):
    """Another local cloud keeps its logs and certificates in the same folder."""


class LocalCloud(StartedAndStopped):
    """A whole stack on this machine, on loopback only. Start with :meth:`start` or ``with``."""

    def __init__(
        self,
        folder: Path,
        *,
        build: Path = BUILD,
        slots: int | None = None,
        injected: InjectedFailures | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            folder: receives logs; made if need be.
            build: what `make package` made.
            slots: Spark task slots of a cluster, which its workers share. None: one a core of this machine.
            injected: what to let go wrong on EMR.
            config: configuration of the stack beside :data:`CONFIG`.

        Raises:
            FolderInUseError: another local cloud runs there.
        """
        self.folder = folder.resolve()
        self._build = build
        self._config = {**CONFIG, **(config or {})}
        self._lock = _claim(self.folder)
        files = tls.issue(self.folder / "tls")
        self._ministack = MiniStack(tls=files, folder=self.folder, region=REGION)
        self._emr = EmrEndpoint(
            tls=files,
            environment=self._ministack.environment,
            folder=self.folder / "emr",
            slots=slots,
            injected=injected,
        )
        self._emr_endpoint = {"AWS_ENDPOINT_URL_EMR": self._emr.url}
        self.environment: dict[str, str] = {**self._ministack.environment, **self._emr_endpoint}
        """Variables that point any AWS client, as root, at this cloud."""
        self._clients: dict[str, Any] = {}
        self._provider = LocalProvider(self.client)
        self.outputs: dict[str, str] = {}
        """The stack's outputs, as `pulumi stack output` would show them."""
        self.resources: tuple[str, ...] = ()
        """``<type> <name>`` of every resource of the stack."""

    @property
    def bucket(self) -> str:
        """The data bucket's name."""
        return self.outputs["data_bucket"]

    @property
    def shell(self) -> dict[str, str]:
        """The variables of a shell that knows the stack."""
        return variables_of(self.outputs["shell"])

    @property
    def slots(self) -> int:
        """Spark task slots of a cluster, and so the most workers that it has here."""
        return self._emr.slots

    def hub_url(self, cluster_id: str) -> str | None:
        """Where a workbench's JupyterHub is on this machine; None while or where there is none."""
        return self._emr.hub_url(cluster_id)

    @property
    def recorder(self) -> Recorder:
        """What really happens on EMR."""
        return self._emr.recorder

    def show_age(self, cluster_id: str, seconds: float) -> None:
        """Let a cluster on EMR show itself at least so old, so that nobody has to wait for hours."""
        self._emr.show_age(cluster_id, seconds)

    def start(self) -> None:
        """Start everything and apply the program. What was started is stopped again if this fails.

        Raises:
            MiniStackError: the local AWS did not start.
            ArtifactMissing: `make package` was not run.
        """
        try:
            self._ministack.start(lambda_environment=self._emr_endpoint)
            self._emr.start()
            for service in SERVICE_LINKED:
                self.client("iam").create_service_linked_role(AWSServiceName=service)
            self.outputs = deploy(self._provider, stack=STACK, config=self._config, build=self._build)
            self.resources = tuple(self._provider.resources)
        except BaseException:
            self.stop()
            raise

    def upgrade(self, build: Path) -> dict[str, Callable[[], None]]:
        """Apply the program again, with what another ``build`` holds, as `pulumi up` would.

        Returns:
            What is left to do: the update of each function that changes, by its short name. `pulumi up` makes
            them in no order, and the releases that they are of are at work at once until the last is done.
        """
        deploy(self._provider, stack=STACK, config=self._config, build=build)
        left, self._provider.postponed = self._provider.postponed, {}
        return {name.removeprefix(f"{PROJECT}-{STACK}-"): update for name, update in left.items()}

    def stop(self) -> None:
        """End every process, running steps included, and free the ports. Logs stay in :attr:`folder`.

        Whoever presses ctrl-C again meanwhile would be left with keys and processes, so it is not heeded.
        """
        with undisturbed():
            self._emr.stop()
            self._ministack.stop()
            for useless in ("tls", "env.sh", PULUMI):
                _remove(self.folder / useless)
            self._lock.close()

    def client(self, service: str, **credentials: str) -> Any:
        """The boto3 client as root, which threads may share, or one with other ``credentials`` (boto3's
        keyword names)."""
        if credentials:
            return client(service, self.environment, **credentials)
        if service not in self._clients:
            self._clients[service] = client(service, self.environment)
        return self._clients[service]


def variables_of(shell: str) -> dict[str, str]:
    """The variables that the stack's output ``shell`` exports."""
    return dict(line.removeprefix("export ").split("=", 1) for line in shell.splitlines())


def _claim(folder: Path) -> IO[str]:
    """Take the folder for one local cloud and clear what the last one left there."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise FolderInUseError(
            f"a local cloud already runs in {folder}; end it, or use it: `source {folder / 'env.sh'}`"
        ) from error
    for left in ("tls", "env.sh", "emr", "ministack.log", PULUMI):
        _remove(folder / left)
    return lock


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_environment(cloud: LocalCloud) -> Path:
    """Write a file to source in a shell. Its owner alone can read it, and stopping removes it.

    A person's own `pulumi` works with this cloud there, and with nothing of theirs.
    """
    path = cloud.folder / "env.sh"
    path.touch(mode=0o600)
    variables = {**cloud.environment, **make_home(cloud.folder / PULUMI)}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    lines = [f"unset {' '.join(PERSONAL)}", *lines, cloud.outputs["shell"]]
    path.write_text("\n".join([*lines, ""]))
    return path


def write_example_manifest(cloud: LocalCloud) -> Path:
    """Write the smallest manifest that works with this cloud's bucket."""
    path = cloud.folder / "manifest.json"
    manifest = manifest_for(cloud.bucket, EXAMPLE_DATASET)
    path.write_text(json.dumps(manifest, indent=2) + "\n")
    return path


def instructions(cloud: LocalCloud) -> str:
    """What to try in another terminal.

    The AWS CLI's own ``emr`` commands overlook ``AWS_ENDPOINT_URL_EMR``, unlike boto3; hence the option.
    """
    bucket = f"s3://{cloud.bucket}"
    return f"""
The local cloud is up: {len(cloud.resources)} resources at {cloud.environment["AWS_ENDPOINT_URL"]}
A cluster has a Spark worker for each of its nodes, but {cloud.slots} at most: as many as there are cores.

In another terminal:
  source {write_environment(cloud)}
  .venv/bin/aws s3 cp --recursive <folder of class folders> {bucket}/{IMAGES}{EXAMPLE_DATASET}/
  .venv/bin/aws s3 cp {write_example_manifest(cloud)} {bucket}/{MANIFESTS}

Watch:
  .venv/bin/fruits runs
  .venv/bin/aws emr list-clusters --endpoint-url "$AWS_ENDPOINT_URL_EMR" \\
      --query 'Clusters[].[Name,Status.State]' --output text
  .venv/bin/aws s3 ls --recursive {bucket}/{RUNS}
  .venv/bin/aws s3 ls --recursive {bucket}/{REJECTIONS}
  logs: {cloud.folder}

With a release of the Pulumi CLI (which has the host for Python programs), a second stack beside this one, in
that terminal, until the cloud ends; `refresh` and `destroy` work, too:
  pulumi stack init {OWN_STACK}
  pulumi config set fruits:nodePackages preinstalled
  pulumi up
  eval "$(pulumi stack output shell)"

ctrl-C ends it and leaves nothing running. After that, the other terminal needs a new `make local` and a new
`source`; for AWS, open a new one.
"""


def keep_running(folder: Path, build: Path = BUILD) -> int:
    """Run a local cloud until ctrl-C or SIGTERM; returns the process's exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with LocalCloud(folder, build=build) as cloud:
            sys.stdout.write(instructions(cloud))
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        sys.stdout.write("\nThe local cloud is down.\n")
        return INTERRUPTED
    except (FolderInUseError, MiniStackError, RunError) as error:
        sys.stderr.write(f"local cloud: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(keep_running(REPOSITORY / ".local" / "cloud"))
