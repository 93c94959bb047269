"""The rules: pure functions from a resource, or all of them, to what is wrong and what to do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.policies.documents import UnreadableError, parse
from infra.policies.door import one_way_in
from infra.policies.door_whole import joined_wrongly
from infra.policies.grants import no_wildcards, passes_roles_to_named_services, readable_policies
from infra.policies.resource import UNKNOWN, Resource, at, items
from lambdas.contract.regions import PARTITION, allowed_regions, region_problem
from lambdas.contract.run import EMR_TAG

PROVIDER = "pulumi:providers:aws"
REQUIRED_TAGS = frozenset({"project", "stack", "managed-by"})
EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
LEADS_OUT = frozenset(
    {
        "BucketAcl",
        "EgressOnlyInternetGateway",
        "Eip",
        "FunctionUrl",
        "NatGateway",
        "VpcPeeringConnection",
        "VpnGateway",
    }
)
"""Kinds of resource that open a way to or from the internet, or another network. An internet gateway is the
door's, of which :mod:`infra.policies.door` judges."""
ENCRYPTION_KEYS: Mapping[str, tuple[str, ...]] = {
    "LogGroup": ("kmsKeyId",),
    "Queue": ("kmsMasterKeyId",),
    "Table": ("serverSideEncryption", "kmsKeyArn"),
    "Topic": ("kmsMasterKeyId",),
    "Trail": ("kmsKeyId",),
    "Workgroup": ("configuration", "resultConfiguration", "encryptionConfiguration", "kmsKeyArn"),
}
"""Kind of resource to the path of the property that names its customer-managed key."""
BUCKET_GUARDS = (
    "BucketLifecycleConfiguration",
    "BucketOwnershipControls",
    "BucketPolicy",
    "BucketPublicAccessBlock",
    "BucketServerSideEncryptionConfiguration",
    "BucketVersioning",
)
"""What comes with every bucket, under the bucket's own logical name."""
ACCESS_LOGS = "-access-logs"
"""S3 delivers access logs only to a bucket that is encrypted with S3's own key."""

_PARTITION_OF_ARN = re.compile(r"\barn:(aws[a-z-]*):")


@dataclass(frozen=True)
class Rule:
    """A named check; ``check`` yields one message a violation."""

    name: str
    description: str
    check: Callable[[Resource], Iterator[str]]


@dataclass(frozen=True)
class StackRule:
    """A named check of all resources together."""

    name: str
    description: str
    check: Callable[[Sequence[Resource]], Iterator[Violation]]


@dataclass(frozen=True)
class Violation:
    """What is wrong with one resource."""

    rule: str
    resource: Resource
    message: str

    def __str__(self) -> str:
        return f"{self.resource.type} {self.resource.name}: {self.message} [{self.rule}]"


def violations(resources: Sequence[Resource]) -> list[Violation]:
    """Everything that is wrong with the resources of a stack."""
    single = [
        Violation(rule.name, resource, message)
        for resource in resources
        for rule in RULES
        for message in rule.check(resource)
    ]
    return single + [violation for rule in STACK_RULES for violation in rule.check(resources)]


def in_the_eu(resource: Resource) -> Iterator[str]:
    """The provider's region, the resource's own (which overrides it) and its zone are in the EU."""
    if not resource.type.startswith(("aws:", PROVIDER)):
        return
    own = None if resource.type == PROVIDER else resource.properties.get("region")
    if resource.region is None or UNKNOWN in (resource.region, own):
        yield f"the region is unknown; give it a provider with one of: {allowed_regions()}"
    for what, region in (("its provider's", resource.region), ("its own", own)):
        if isinstance(region, str) and (problem := region_problem(region)):
            yield f"{what} {problem}; use one of: {allowed_regions()}"
    zone = resource.properties.get("availabilityZone")
    if isinstance(zone, str) and region_problem(zone[:-1]):
        yield f"zone {zone!r} is outside the EU; use a zone of one of: {allowed_regions()}"


def in_one_partition(resource: Resource) -> Iterator[str]:
    """No ARN of another partition than the allowed regions': what it names does not exist there."""
    named = {partition for text in resource.texts for partition in _PARTITION_OF_ARN.findall(text)}
    for other in sorted(named - {PARTITION}):
        yield f"names an ARN of partition {other}, but the allowed regions are in {PARTITION}"


def encrypted(resource: Resource) -> Iterator[str]:
    """Whatever stores something does so with a key of ours, and keys rotate."""
    path = ENCRYPTION_KEYS.get(resource.kind)
    if path and not at(resource.properties, *path):
        yield f"is not encrypted with a key of the stack; set {'.'.join(path)}"
    if resource.kind == "Key" and _lacks(resource.properties, "enableKeyRotation"):
        yield "is never rotated; set enableKeyRotation"
    if resource.kind == "BucketServerSideEncryptionConfiguration" and not resource.name.endswith(ACCESS_LOGS):
        for rule in items(resource.properties.get("rules") or [{}]):
            if not at(rule, "applyServerSideEncryptionByDefault", "kmsMasterKeyId"):
                yield "is not encrypted with a key of the stack; set kmsMasterKeyId"


def hardened_clusters(resource: Resource) -> Iterator[str]:
    """Clusters encrypt at rest and in transit, and their nodes answer IMDSv2 only."""
    if resource.kind != "SecurityConfiguration":
        return
    try:
        document = parse(resource.properties.get("configuration"))
    except UnreadableError as problem:
        yield f"configuration {problem}"
        return
    for name in ("EnableAtRestEncryption", "EnableInTransitEncryption"):
        if _lacks(document, "EncryptionConfiguration", name):
            yield f"leaves clusters unencrypted; set {name}"
    minimum = at(document, "InstanceMetadataServiceConfiguration", "MinimumInstanceMetadataServiceVersion")
    if minimum not in (2, UNKNOWN):
        yield "lets nodes use IMDSv1; set MinimumInstanceMetadataServiceVersion to 2"


def private(resource: Resource) -> Iterator[str]:
    """Nothing is, or can become, reachable from outside."""
    if resource.kind in LEADS_OUT:
        yield f"{resource.kind} opens a way out of or into the stack; remove it"
    if EVERYWHERE & set(resource.texts):
        yield "names the whole internet (0.0.0.0/0 or ::/0); name a group"
    if resource.kind == "BucketPublicAccessBlock":
        rules = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        if lax := [rule for rule in rules if _lacks(resource.properties, rule)]:
            yield f"lets a bucket become public; set {', '.join(lax)}"
    if str(resource.properties.get("acl")).startswith("public"):
        yield "opens what it holds to everybody; remove acl"
    if resource.kind == "BlockPublicAccessConfiguration" and _lacks(
        resource.properties, "blockPublicSecurityGroupRules"
    ):
        yield "lets clusters have public ports; set blockPublicSecurityGroupRules"


def tagged(resource: Resource) -> Iterator[str]:
    """The provider tags everything, and what EMR's own role must touch says so."""
    if resource.type == PROVIDER:
        given = resource.properties.get("defaultTags")
        # Properties of providers cross the SDK's wire as JSON text.
        tags = UNKNOWN if given is UNKNOWN else at(parse(given), "tags")
        if tags is not UNKNOWN and (missing := sorted(REQUIRED_TAGS - (tags or {}).keys())):
            yield f"does not tag resources with {', '.join(missing)}; add them to defaultTags"
    for_emr = at(resource.properties, "tags", EMR_TAG) in ("true", UNKNOWN)
    if resource.kind in {"Vpc", "Subnet", "SecurityGroup"} and not for_emr:
        yield f"EMR's service role cannot use it; tag it {EMR_TAG}=true"


def unguarded_buckets(resources: Sequence[Resource]) -> Iterator[Violation]:
    """Every bucket has all its guards."""
    present = {(resource.kind, resource.name) for resource in resources}
    for bucket in (resource for resource in resources if resource.type == "aws:s3/bucket:Bucket"):
        if missing := [kind for kind in BUCKET_GUARDS if (kind, bucket.name) not in present]:
            message = f"lacks {', '.join(missing)}; make it with PrivateBucket"
            yield Violation("guarded-buckets", bucket, message)


def one_door(resources: Sequence[Resource]) -> Iterator[Violation]:
    """The door's rules are of the door's own group, its way out is its own subnets', and its networks are few
    and narrow."""
    for resource, message in joined_wrongly(resources):
        yield Violation("one-door", resource, message)


def _lacks(value: Any, *path: str) -> bool:
    """Whether what must be true is known not to be."""
    found = at(value, *path)
    return found is not True and found is not UNKNOWN


RULES: tuple[Rule, ...] = tuple(
    Rule(check.__name__.replace("_", "-"), inspect.getdoc(check) or "", check)
    for check in (
        in_the_eu,
        in_one_partition,
        encrypted,
        hardened_clusters,
        private,
        one_way_in,
        tagged,
        readable_policies,
        no_wildcards,
        passes_roles_to_named_services,
    )
)
STACK_RULES: tuple[StackRule, ...] = tuple(
    StackRule(name, inspect.getdoc(check) or "", check)
    for name, check in (("guarded-buckets", unguarded_buckets), ("one-door", one_door))
)
