"""The AWS account and its region: is there everything that a deployment, and then a run, counts on?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from infra.doctor.examination import Client, NotThere, there
from infra.doctor.finding import Finding, fault, ok, warning
from lambdas.aws.errors import error_code
from lambdas.contract.cost.prices import INSTANCE_TYPES, PRIMARY_NODES
from lambdas.contract.manifest.schema import Cluster
from lambdas.contract.regions import EU_REGIONS, allowed_regions, region_problem

ALWAYS_ON = "eu-west-1"
"""A region that every account has: asked about the others, since one that is not opted into refuses all
credentials. Source: AWS Account Management Reference Guide, "Enable or disable AWS Regions"."""
DEFAULT_CLUSTER = Cluster()
STANDARD_VCPUS = "L-1216C47A"
"""The quota "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", in vCPUs. Source: EC2 User
Guide, "On-Demand Instance quotas"."""
SERVICE_LINKED: dict[str, str] = {
    "elasticmapreduce.amazonaws.com": "EMR cleans up after clusters by it; the launcher may not make it",
    "spot.amazonaws.com": 'runs with market "spot" need it',
}
"""The services with whose own roles clusters are launched, and why. Sources: EMR Management Guide, "Using
service-linked roles for cleanup"; EC2 User Guide, "Service-linked role for Spot Instance requests"."""
ENDPOINT_SERVICES = ("kms", "s3")
"""As infra/components/network.py asks for them."""


@dataclass(frozen=True)
class Region:
    """``name`` None: none is set. ``source``: what sets it; ``opt_in``: EC2's word for whether it is on."""

    name: str | None
    source: str
    opt_in: str | None


def identity(client: Client) -> list[Finding]:
    """Who asks. Everybody may ask that."""
    caller = client("sts").get_caller_identity()
    return [ok(f"account {caller['Account']}, as {caller['Arn']}")]


def read_region(name: str | None, source: str, always_on: Client) -> Region:
    """``always_on`` makes clients for :data:`ALWAYS_ON`."""
    if name is None or region_problem(name):
        return Region(name, source, None)
    answer = always_on("ec2").describe_regions(RegionNames=[name], AllRegions=True)
    (known,) = answer["Regions"] or [{}]
    return Region(name, source, known.get("OptInStatus"))


def region(found: Region) -> list[Finding]:
    """Set, in the EU, and switched on for the account."""
    if found.name is None:
        return [
            fault(
                "no region is set, neither in the selected stack nor for the AWS credentials",
                f"`pulumi config set aws:region <region>` with one of: {allowed_regions()}",
            )
        ]
    if problem := region_problem(found.name):
        return [fault(f"{problem} ({found.source})", f"choose one of: {allowed_regions()}")]
    place = f"{found.name} ({EU_REGIONS[found.name]})"
    if found.opt_in not in ("opted-in", "opt-in-not-required"):
        return [
            fault(
                f"{place} is not switched on for this account ({found.opt_in or 'EC2 does not know it'})",
                f"`aws account enable-region --region-name {found.name}`, then wait: minutes to hours",
            )
        ]
    return [ok(f"{place}, by {found.source}")]


def read_service_linked(client: Client) -> dict[str, bool]:
    """Whether the account has a role of each service of :data:`SERVICE_LINKED`."""
    iam = client("iam")
    return {
        service: bool(iam.list_roles(PathPrefix=f"/aws-service-role/{service}/")["Roles"])
        for service in SERVICE_LINKED
    }


def service_linked(has: Mapping[str, bool]) -> list[Finding]:
    """The roles by which EMR and Spot act. Spot's is not needed by everybody."""
    judge = {"elasticmapreduce.amazonaws.com": fault, "spot.amazonaws.com": warning}
    missing = [
        judge[service](
            f"there is no service-linked role of {service}: {SERVICE_LINKED[service]}",
            f"`aws iam create-service-linked-role --aws-service-name {service}`",
        )
        for service, exists in has.items()
        if not exists
    ]
    return missing or [ok(f"there for {' and '.join(has)}")]


def read_vcpus(client: Client) -> float:
    """How many vCPUs of standard instances may run on demand at once."""
    quotas, which = client("service-quotas"), {"ServiceCode": "ec2", "QuotaCode": STANDARD_VCPUS}
    try:
        answer = quotas.get_service_quota(**which)
    except ClientError as error:
        if error_code(error) != "NoSuchResourceException":
            raise
        # An account that has no value of its own has the default one.
        answer = quotas.get_aws_default_service_quota(**which)
    return float(answer["Quota"]["Value"])


def default_cluster_vcpus() -> int:
    """What the cluster of a manifest takes that says nothing of its cluster."""
    vcpus = max(INSTANCE_TYPES[name].vcpus for name in DEFAULT_CLUSTER.instance_types)
    return vcpus * (PRIMARY_NODES + DEFAULT_CLUSTER.workers)


def quota(vcpus: float, needed: int) -> list[Finding]:
    """Whether a default cluster fits."""
    if vcpus < needed:
        return [
            fault(
                f"{vcpus:.0f} vCPUs may run on demand, and the default cluster needs {needed}",
                "`aws service-quotas request-service-quota-increase --service-code ec2 "
                f"--quota-code {STANDARD_VCPUS} --desired-value {needed}` (or more), then wait for AWS",
            )
        ]
    return [ok(f"{vcpus:.0f} vCPUs on demand; the default cluster needs {needed}")]


def read_spark(client: Client, release: str) -> str | None:
    """The version of Spark in an EMR release of this region; None where it has none."""
    described = there(
        release,
        lambda: client("emr").describe_release_label(ReleaseLabel=release),
        ["InvalidRequestException", "ValidationException"],
    )
    versions = {entry["Name"]: entry["Version"] for entry in described.get("Applications", [])}
    # EMR's own builds are called 3.5.6-amzn-0.
    return versions["Spark"].partition("-")[0] if "Spark" in versions else None


def emr_release(client: Client, release: str, locked_spark: str) -> list[Finding]:
    """See :func:`spark`; a release that the region does not know is a fault as well."""
    try:
        return spark(release, read_spark(client, release), locked_spark)
    except NotThere:
        text = f"EMR does not know the release {release} in this region"
        return [fault(text, "set fruits:releaseLabel to one that it has: `aws emr list-release-labels`")]


def spark(release: str, has: str | None, locked: str) -> list[Finding]:
    """Whether the release has the Spark that is locked."""
    if has != locked:
        return [
            fault(
                f"{release} has Spark {has}, and requirements.lock has pyspark {locked}",
                "set fruits:releaseLabel to a release with that Spark, or lock the release's version",
            )
        ]
    return [ok(f"{release} has Spark {has}, as locked")]


def read_instance_types(client: Client, release: str) -> set[str]:
    """The instance types that EMR offers for a release in this region."""
    emr, request = client("emr"), {"ReleaseLabel": release}
    offered: set[str] = set()
    while True:
        page = emr.list_supported_instance_types(**request)
        offered |= {entry["Type"] for entry in page.get("SupportedInstanceTypes", [])}
        if not page.get("Marker"):
            return offered
        request = {**request, "Marker": page["Marker"]}


def instance_types(offered: Collection[str], wanted: Sequence[str]) -> list[Finding]:
    """Whether EMR offers the types of the default cluster."""
    if missing := [name for name in wanted if name not in offered]:
        return [
            fault(
                f"EMR does not offer {', '.join(missing)} in this region, which the default cluster asks for",
                "name others in every manifest (cluster.instance_types), or choose another region",
            )
        ]
    others = sorted(name for name in INSTANCE_TYPES if name not in offered)
    lacking = f"; manifests cannot have {', '.join(others)} here" if others else ""
    return [ok(f"{', '.join(wanted)} on offer{lacking}")]


def read_endpoint_services(client: Client, region_name: str) -> dict[str, bool]:
    """Whether the region offers each endpoint service that the network asks for, by its full name."""
    names = [f"com.amazonaws.{region_name}.{service}" for service in ENDPOINT_SERVICES]
    wanted = [{"Name": "service-name", "Values": names}]
    offered = client("ec2").describe_vpc_endpoint_services(Filters=wanted)["ServiceNames"]
    return {name: name in offered for name in names}


def endpoint_services(offered: Mapping[str, bool]) -> list[Finding]:
    """Without them, nodes reach neither S3 nor their keys."""
    if missing := [name for name, exists in offered.items() if not exists]:
        text = f"this region offers no endpoint service {', '.join(missing)}"
        return [fault(text, "choose another region: the private network needs all of them")]
    return [ok(f"on offer: {', '.join(ENDPOINT_SERVICES)}")]


def read_block_public_access(client: Client) -> bool:
    answer = client("emr").get_block_public_access_configuration()
    return bool(answer["BlockPublicAccessConfiguration"]["BlockPublicSecurityGroupRules"])


def block_public_access(*, blocked: bool, deployed: bool) -> list[Finding]:
    """EMR's own refusal of clusters whose ports are open to the world; the stack switches it on."""
    if blocked:
        return [ok("EMR refuses clusters with public ports")]
    if deployed:
        text = "somebody switched EMR's block on public access off, for the whole account in this region"
        return [fault(text, "`pulumi up --refresh` switches it on again")]
    text = "EMR does not refuse clusters with public ports yet"
    return [warning(text, "nothing: `pulumi up` switches it on, for the whole account in this region")]
