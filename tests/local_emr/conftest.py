"""One real local AWS for all tests here, with a bucket and the roles that a cluster needs."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from infra.local import tls
from infra.local.emr import EmrEndpoint, InjectedFailures, Recorder
from infra.local.ministack import ACCOUNT_ID, MiniStack, client
from infra.local.tls import TlsFiles

BUCKET = "fruits-data"
REGION = "eu-west-1"


@dataclass(frozen=True)
class Cloud:
    """The local AWS, and endpoints beside it."""

    ministack: MiniStack
    certificates: TlsFiles
    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return self.ministack.environment

    def client(self, service: str, **credentials: str) -> Any:
        return client(service, self.environment, **credentials)

    def endpoint(self, injected: InjectedFailures | None = None, slots: int = 2) -> EmrEndpoint:
        return EmrEndpoint(
            tls=self.certificates,
            environment=self.environment,
            folder=self.folder / "emr",
            slots=slots,
            injected=injected,
        )

    def make_role(self, name: str, service: str, *statements: dict[str, Any]) -> str:
        """Make a role that ``service`` may assume, and return its ARN."""
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=_policy(*statements))
        return str(role["Role"]["Arn"])


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@dataclass(frozen=True)
class Emr:
    """A boto3 client of an endpoint, and what tests do with it all the time."""

    api: Any
    s3: Any
    recorder: Recorder

    def launch(self, *steps: dict[str, Any], **request: Any) -> str:
        """RunJobFlow with sensible defaults; returns the cluster's id."""
        instances = {"KeepJobFlowAliveWhenNoSteps": False} | request.pop("Instances", {})
        defaults = {
            "Name": "test",
            "ReleaseLabel": "emr-7.12.0",
            "JobFlowRole": "node",
            "ServiceRole": "emr",
            "LogUri": f"s3://{BUCKET}/logs/",
        }
        request = defaults | request
        response = self.api.run_job_flow(
            Instances=instances,
            Steps=list(steps),
            **{key: value for key, value in request.items() if value is not None},
        )
        return str(response["JobFlowId"])

    def cluster(self, cluster_id: str) -> dict[str, Any]:
        cluster: dict[str, Any] = self.api.describe_cluster(ClusterId=cluster_id)["Cluster"]
        return cluster

    def state(self, cluster_id: str) -> str:
        return str(self.cluster(cluster_id)["Status"]["State"])

    def reason(self, cluster_id: str) -> dict[str, str]:
        reason: dict[str, str] = self.cluster(cluster_id)["Status"]["StateChangeReason"]
        return reason

    def steps(self, cluster_id: str) -> list[dict[str, Any]]:
        """In the order in which they run."""
        steps: list[dict[str, Any]] = self.api.list_steps(ClusterId=cluster_id)["Steps"][::-1]
        return steps

    def step_states(self, cluster_id: str) -> list[str]:
        return [step["Status"]["State"] for step in self.steps(cluster_id)]

    def wait_until_ended(self, cluster_id: str, *, seconds: float = 60) -> str:
        """Returns the final state."""
        wait_until(lambda: self.state(cluster_id).startswith("TERMINATED"), seconds=seconds)
        return self.state(cluster_id)

    def log(self, cluster_id: str, path: str) -> str:
        """A log that was uploaded to S3, without its ``.gz``."""
        key = f"logs/{cluster_id}/{path}.gz"
        return gzip.decompress(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()).decode()


def shell_step(script: str, *, name: str = "shell", on_failure: str = "TERMINATE_CLUSTER") -> dict[str, Any]:
    """A step that runs a bash script."""
    return command_step("bash", "-c", script, name=name, on_failure=on_failure)


def command_step(
    *arguments: str, name: str = "step", on_failure: str = "TERMINATE_CLUSTER"
) -> dict[str, Any]:
    return {
        "Name": name,
        "ActionOnFailure": on_failure,
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": list(arguments)},
    }


def wait_until(condition: Callable[[], bool], *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    certificates = tls.issue(folder / "tls")
    with MiniStack(tls=certificates, folder=folder, region=REGION) as ministack:
        cloud = Cloud(ministack, certificates, folder)
        cloud.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        cloud.make_role(
            "node",
            "ec2.amazonaws.com",
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/code/*"},
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/logs/*"},
        )
        iam = cloud.client("iam")
        iam.create_instance_profile(InstanceProfileName="node")
        iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
        yield cloud


@functools.cache
def _session(credentials: tuple[tuple[str, str], ...]) -> boto3.Session:
    # It reads the model of EMR once.
    return boto3.Session(region_name=REGION, **dict(credentials))


@contextlib.contextmanager
def serve_emr(
    cloud: Cloud, injected: InjectedFailures | None = None, slots: int = 2, **credentials: str
) -> Iterator[Emr]:
    with cloud.endpoint(injected, slots) as endpoint:
        root = {"aws_access_key_id": ACCOUNT_ID, "aws_secret_access_key": "any"}
        api = _session(tuple((root | credentials).items())).client(
            "emr",
            endpoint_url=endpoint.url,
            verify=str(cloud.certificates.ca),
            # A client that retries would hide throttling, and look twice for an endpoint that is gone.
            config=Config(retries={"total_max_attempts": 1}),
        )
        yield Emr(api, cloud.client("s3"), endpoint.recorder)


@pytest.fixture
def connect(cloud: Cloud) -> Iterator[Callable[..., Emr]]:
    """Serve EMR with given failures and connect to it, with given credentials."""
    with contextlib.ExitStack() as stack:
        yield lambda injected=None, **credentials: stack.enter_context(
            serve_emr(cloud, injected, **credentials)
        )


@pytest.fixture(scope="session")
def emr(cloud: Cloud) -> Iterator[Emr]:
    with serve_emr(cloud, InjectedFailures(starting_seconds=0.05, bootstrapping_seconds=0.05)) as emr:
        yield emr


@pytest.fixture(scope="session")
def instant_emr(cloud: Cloud) -> Iterator[Emr]:
    """Its steps complete without running anything."""
    with serve_emr(
        cloud, InjectedFailures(instant_steps=True, starting_seconds=0, bootstrapping_seconds=0)
    ) as emr:
        yield emr
