"""What there is of a stack in the local AWS: every service is asked, not the state of Pulumi."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Client = Callable[[str], Any]


def resources_of(client: Client, stack: str) -> dict[str, list[str]]:
    """Names of everything that is of the stack, by kind, as the services list it, without empty kinds.

    What has a name begins with the project and the stack; the rest is told by the tags that everything gets.
    """
    prefix = f"fruits-{stack}"
    found = {kind: sorted(find(client, prefix, stack)) for kind, find in _KINDS.items()}
    return {kind: names for kind, names in found.items() if names}


def unknown_to(state: Mapping[str, Any], there: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What of the resources is in no state of the engine's: it was killed while it made that."""
    known = json.dumps(state["resources"])
    found = {kind: [name for name in names if name.split()[0] not in known] for kind, names in there.items()}
    return {kind: names for kind, names in found.items() if names}


def _pages(client: Any, operation: str, *keys: str, **arguments: Any) -> Iterable[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        for key in keys:
            yield from page.get(key, ())


def _named(
    service: str, operation: str, key: str, name: str | None, **arguments: Any
) -> Callable[[Client, str, str], list[str]]:
    """What a paginated list has under names that begin as the stack's do."""

    def find(client: Client, prefix: str, _stack: str) -> list[str]:
        items = _pages(client(service), operation, key, **arguments)
        names = [str(item[name] if name else item) for item in items]
        return [one for one in names if one.rsplit("/", 1)[-1].rsplit(":", 1)[-1].startswith(f"{prefix}-")]

    return find


def _in_ec2(operation: str, key: str, id_: str) -> Callable[[Client, str, str], list[str]]:
    def find(client: Client, _prefix: str, stack: str) -> list[str]:
        # Looked at here: MiniStack does not filter everything by tags.
        tags = {"project": "fruits", "stack": stack}.items()
        return [
            str(item[id_])
            for item in getattr(client("ec2"), operation)()[key]
            if tags <= {tag["Key"]: tag["Value"] for tag in item.get("Tags", ())}.items()
        ]

    return find


def _keys(client: Client, _prefix: str, stack: str) -> list[str]:
    """Keys that are usable; AWS keeps deleted ones for another while."""
    kms = client("kms")
    found = []
    for key in _pages(kms, "list_keys", "Keys"):
        about = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if about["KeyManager"] != "CUSTOMER" or about["KeyState"] == "PendingDeletion":
            continue
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
        if tags.get("stack") == stack:
            found.append(f"{about['KeyId']} {about['Description']}")
    return found


def _aliases(client: Client, prefix: str, _stack: str) -> list[str]:
    names = [alias["AliasName"] for alias in _pages(client("kms"), "list_aliases", "Aliases")]
    return [name for name in names if name.startswith(f"alias/{prefix}-")]


def _trails(client: Client, prefix: str, _stack: str) -> list[str]:
    trails = client("cloudtrail").describe_trails()["trailList"]
    return [trail["Name"] for trail in trails if trail["Name"].startswith(prefix)]


def _dashboards(client: Client, prefix: str, _stack: str) -> list[str]:
    found = client("cloudwatch").list_dashboards()["DashboardEntries"]
    return [entry["DashboardName"] for entry in found if entry["DashboardName"].startswith(prefix)]


def _databases(client: Client, prefix: str, _stack: str) -> list[str]:
    names = [database["Name"] for database in _pages(client("glue"), "get_databases", "DatabaseList")]
    return [name for name in names if name == prefix.replace("-", "_")]


def _workgroups(client: Client, prefix: str, _stack: str) -> list[str]:
    names = [group["Name"] for group in client("athena").list_work_groups()["WorkGroups"]]
    return [name for name in names if name.startswith(f"{prefix}-")]


def _of_door(operation: str, key: str, arn: str) -> Callable[[Client, str, str], list[str]]:
    """What is told by its tags, since its name has too little room for the stack's."""

    def find(client: Client, _prefix: str, stack: str) -> list[str]:
        balancing = client("elbv2")
        arns = [str(item[arn]) for item in _pages(balancing, operation, key)]
        told = balancing.describe_tags(ResourceArns=arns)["TagDescriptions"] if arns else []
        stacks = {one["ResourceArn"]: {"Key": "stack", "Value": stack} in one["Tags"] for one in told}
        return [one for one in arns if stacks[one]]

    return find


_KINDS: Mapping[str, Callable[[Client, str, str], list[str]]] = {
    "bucket": _named("s3", "list_buckets", "Buckets", "Name"),
    "table": _named("dynamodb", "list_tables", "TableNames", None),
    "key": _keys,
    "alias": _aliases,
    "function": _named("lambda", "list_functions", "Functions", "FunctionName"),
    "log group": _named("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "role": _named("iam", "list_roles", "Roles", "RoleName"),
    "instance profile": _named("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    "rule": _named("events", "list_rules", "Rules", "Name"),
    "topic": _named("sns", "list_topics", "Topics", "TopicArn"),
    "subscription": _named("sns", "list_subscriptions", "Subscriptions", "TopicArn"),
    "queue": _named("sqs", "list_queues", "QueueUrls", None),
    "alarm": _named("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "dashboard": _dashboards,
    "trail": _trails,
    "database": _databases,
    "workgroup": _workgroups,
    "security configuration": _named("emr", "list_security_configurations", "SecurityConfigurations", "Name"),
    "vpc": _in_ec2("describe_vpcs", "Vpcs", "VpcId"),
    "subnet": _in_ec2("describe_subnets", "Subnets", "SubnetId"),
    "route table": _in_ec2("describe_route_tables", "RouteTables", "RouteTableId"),
    "security group": _in_ec2("describe_security_groups", "SecurityGroups", "GroupId"),
    "endpoint": _in_ec2("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "internet gateway": _in_ec2("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    "load balancer": _of_door("describe_load_balancers", "LoadBalancers", "LoadBalancerArn"),
    "target group": _of_door("describe_target_groups", "TargetGroups", "TargetGroupArn"),
}
