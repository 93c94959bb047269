"""The parts that carry a deployed stack: are they there, whole, and as they were deployed?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from infra.components.artifacts import content_key, sha256
from infra.doctor.account import ENDPOINT_SERVICES
from infra.doctor.examination import RESTORE, NotThere, there
from infra.doctor.finding import Finding, fault, ok, warning
from infra.doctor.stack import FUNCTIONS, Function, Rule, StackReader, Uploads, is_called
from lambdas.aws.errors import error_code
from lambdas.contract.layout import MANIFESTS

DEPLOY = "`pulumi up` deploys what build/ holds"


def functions(found: Iterable[Function], queue_arn: str) -> list[Finding]:
    """Active, updated, allowed to run, and with a place for their failures."""
    findings = [finding for function in found for finding in _function(function, queue_arn)]
    return findings or [ok(f"{', '.join(FUNCTIONS)}: active")]


def _function(function: Function, queue_arn: str) -> Iterator[Finding]:
    if function.state not in ("Active", "Inactive"):  # Inactive: nobody has called it for weeks
        yield fault(f"{function.name} is {function.state}", f"wait a minute, look again; {RESTORE}")
    if function.update == "Failed":
        yield fault(f"the last update of {function.name} failed", "`pulumi up` again")
    if function.stopped:
        yield fault(
            f"{function.name} may not run: its reserved concurrency is 0; its events wait up to six hours",
            f"`aws lambda delete-function-concurrency --function-name {function.name}`",
        )
    if function.keeps_failures_in != queue_arn:
        yield fault(f"failed events of {function.name} do not go to the failure queue", RESTORE)


def uploads(found: Uploads, launcher: str) -> list[Finding]:
    """Whether an uploaded manifest reaches the launcher."""
    if not any(_is_of(arn, launcher) and prefix == MANIFESTS for arn, prefix in found.calls):
        text = f"the data bucket does not tell {launcher} of uploads below {MANIFESTS}"
        return [fault(text, f"{RESTORE}; then upload again what was uploaded meanwhile")]
    if not found.allowed:
        return [fault(f"S3 may not call {launcher}", RESTORE)]
    return [ok(f"uploads below {MANIFESTS} reach {launcher}")]


def rule(found: Rule, function: str) -> list[Finding]:
    """Whether a rule of EventBridge is on, and calls its function."""
    if not found.enabled:
        return [fault(f"rule {found.name} is disabled", f"`aws events enable-rule --name {found.name}`")]
    if not any(_is_of(arn, function) for arn in found.targets):
        return [fault(f"rule {found.name} does not call {function}", RESTORE)]
    return [ok(f"{found.name} calls {function}")]


def _is_of(arn: str, function: str) -> bool:
    return is_called(arn.rpartition(":")[2], function)


@dataclass(frozen=True)
class Code:
    """What is deployed, and what lies in ``build``: a digest or key by name; only what is in both counts."""

    deployed: Mapping[str, str]
    built: Mapping[str, str]


def read_code(reader: StackReader, build: Path) -> Code:
    deployed = {f"{name}.zip": reader.function(name).sha256 for name in FUNCTIONS}
    deployed |= {"job.zip": reader.launching.job_key, "step.py": reader.launching.step_key}
    files = [build / name for name in deployed if (build / name).is_file()]
    names = [f"{name}.zip" for name in FUNCTIONS]
    return Code(
        deployed, {path.name: sha256(path) if path.name in names else content_key(path) for path in files}
    )


def code(found: Code) -> list[Finding]:
    """Whether this checkout's build is what runs. Upgrades make it so; it is no fault before."""
    others = [name for name, digest in found.built.items() if digest != found.deployed[name]]
    if others:
        return [warning(f"deployed is another version than in build/: {', '.join(sorted(others))}", DEPLOY)]
    if not found.built:
        return [warning("build/ is empty, so what is deployed cannot be compared", "`make package`")]
    return [ok("deployed is what lies in build/")]


def read_missing_artifacts(reader: StackReader) -> list[str]:
    """The keys that the launcher hands to clusters, and that are not in the bucket."""
    keys = [getattr(reader.launching, name) for name in _KEYS]
    return [key for key in keys if key and not _is_in_bucket(reader, key)]


def _is_in_bucket(reader: StackReader, prefix: str) -> bool:
    bucket, s3 = reader.settings.data_bucket, reader.client("s3")
    page = there(
        f"bucket {bucket}",
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1),
        ["NoSuchBucket"],
    )
    return bool(page.get("Contents"))


_KEYS = (
    *("job_key", "step_key", "bootstrap_key", "wheelhouse_prefix", "reference_wheelhouse_prefix"),
    *("arm_wheelhouse_prefix", "arm_reference_wheelhouse_prefix", "model_key", "weights_key"),
)
"""Of :class:`LauncherSettings`; those that are empty are not used."""


def artifacts(missing: Sequence[str]) -> list[Finding]:
    """Without one of them, every cluster fails."""
    if missing:
        text = f"clusters are told to fetch what is not in the bucket: {', '.join(missing)}"
        return [fault(text, f"`make package`, then {RESTORE}")]
    return [ok("job, model and what nodes install are in the bucket")]


@dataclass(frozen=True)
class Network:
    """What the launcher names and EC2 does not know; and the state of each endpoint service in the VPC."""

    missing: Sequence[str]
    endpoints: Mapping[str, str]


def read_network(reader: StackReader) -> Network:
    settings, ec2 = reader.launching, reader.client("ec2")
    missing, vpcs = [], set()
    for subnet in settings.subnet_ids.split(","):
        try:
            vpcs |= {known["VpcId"] for known in ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]}
        except ClientError as error:
            missing += _unless_known(error, subnet)
    for group in (settings.node_security_group, settings.service_security_group):
        try:
            ec2.describe_security_groups(GroupIds=[group])
        except ClientError as error:
            missing += _unless_known(error, group)
    inside = [{"Name": "vpc-id", "Values": sorted(vpcs)}]
    endpoints = ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"] if vpcs else []
    states = {entry["ServiceName"].rpartition(".")[2]: entry["State"] for entry in endpoints}
    return Network(missing, states)


def _unless_known(error: ClientError, name: str) -> list[str]:
    if not error_code(error).endswith(".NotFound"):
        raise error
    return [name]


def network(found: Network) -> list[Finding]:
    """Where clusters are put, and their ways out of it."""
    faults = []
    if found.missing:
        faults.append(fault(f"EC2 does not know {', '.join(found.missing)}", RESTORE))
    for service in ENDPOINT_SERVICES:
        state = found.endpoints.get(service, "missing")
        if state.lower() != "available":
            text = f"the network's endpoint of {service} is {state}: nodes do not reach it"
            faults.append(fault(text, RESTORE))
    return faults or [ok(f"subnets, security groups and endpoints of {', '.join(ENDPOINT_SERVICES)}")]


def read_missing_roles(reader: StackReader) -> list[str]:
    """The roles that clusters are launched with, and that IAM does not know."""
    iam, missing = reader.client("iam"), []
    service = reader.launching.service_role_arn.rpartition("/")[2]
    profile = reader.launching.instance_profile_arn.rpartition("/")[2]
    try:
        there(service, lambda: iam.get_role(RoleName=service), ["NoSuchEntity"])
    except NotThere:
        missing.append(service)
    try:
        held = there(profile, lambda: iam.get_instance_profile(InstanceProfileName=profile), ["NoSuchEntity"])
        missing += [] if held["InstanceProfile"]["Roles"] else [f"the role in {profile}"]
    except NotThere:
        missing.append(profile)
    return missing


def roles(missing: Sequence[str]) -> list[Finding]:
    if missing:
        return [fault(f"IAM does not know {', '.join(missing)}, so no cluster can be launched", RESTORE)]
    return [ok("EMR's service role and the nodes' role")]
