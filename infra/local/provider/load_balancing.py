"""Elastic Load Balancing: network load balancers, what they listen to, and what they lead to.

MiniStack keeps a network load balancer as declared, and passes nothing through it: what it would let in is
told by its security group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import (
    Aws,
    Created,
    Found,
    Inputs,
    Kind,
    in_order_of,
    own_tags,
    reported,
    tag_list_of,
    tags_of,
)

_NAMED = frozenset({"name", "namePrefix"})
_CROSS_ZONE = "load_balancing.cross_zone.enabled"
_OF_TARGETS = {
    "connectionTermination": "deregistration_delay.connection_termination.enabled",
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "preserveClientIp": "preserve_client_ip.enabled",
}
_TARGET_DEFAULTS = {"connectionTermination": False, "deregistrationDelay": 300, "preserveClientIp": None}
"""Source of both: User Guide for Network Load Balancers, "Target group attributes". What the last of them is
depends on the kind of targets, so that without it nothing is set."""


def _own_tags(aws: Aws, arn: str) -> dict[str, str] | None:
    (found,) = aws.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return own_tags(found["Tags"], aws)


def _update_tags(aws: Aws, arn: str, old: Inputs, new: Inputs) -> None:
    before, after = tags_of(old, aws), tags_of(new, aws)
    if gone := sorted(before.keys() - after.keys()):
        aws.client("elbv2").remove_tags(ResourceArns=[arn], TagKeys=gone)
    aws.client("elbv2").add_tags(ResourceArns=[arn], Tags=tag_list_of(new, aws))


def _attributes(values: Mapping[str, Any]) -> list[dict[str, str]]:
    # Numbers come as floats, and flags are written in small letters.
    texts = {
        key: f"{value:g}" if isinstance(value, float) else str(value).lower() for key, value in values.items()
    }
    return [{"Key": key, "Value": text} for key, text in texts.items() if values[key] is not None]


def _create_balancer(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("elbv2").create_load_balancer(
        Name=inputs["name"],
        Type=inputs["loadBalancerType"],
        Scheme="internal" if inputs.get("internal") else "internet-facing",
        Subnets=inputs["subnets"],
        SecurityGroups=inputs["securityGroups"],
        Tags=tag_list_of(inputs, aws),
    )
    (balancer,) = made["LoadBalancers"]
    _set_cross_zone(aws, balancer["LoadBalancerArn"], inputs)
    return Created(balancer["LoadBalancerArn"], _balancer_outputs(balancer))


def _balancer_outputs(balancer: Mapping[str, Any]) -> dict[str, Any]:
    return {"arn": balancer["LoadBalancerArn"], "dnsName": balancer["DNSName"]}


def _set_cross_zone(aws: Aws, arn: str, inputs: Inputs) -> None:
    crossing = inputs.get("enableCrossZoneLoadBalancing", False)
    aws.client("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=_attributes({_CROSS_ZONE: crossing})
    )


def _read_balancer(aws: Aws, arn: str, known: Inputs) -> Found:
    client = aws.client("elbv2")
    (found,) = client.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    told = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    attributes = {entry["Key"]: entry["Value"] for entry in told}
    subnets = [zone["SubnetId"] for zone in found["AvailabilityZones"]]
    inputs = {
        "name": found["LoadBalancerName"],
        "loadBalancerType": found["Type"],
        "internal": found["Scheme"] == "internal",
        "subnets": in_order_of(known.get("subnets"), subnets),
        "securityGroups": in_order_of(known.get("securityGroups"), found["SecurityGroups"]),
        "enableCrossZoneLoadBalancing": attributes.get(_CROSS_ZONE) == "true",
        "tags": _own_tags(aws, arn),
    }
    usual = {"internal": False, "enableCrossZoneLoadBalancing": False}
    return Found(reported(inputs, known, usual), _balancer_outputs(found))


def _update_balancer(aws: Aws, arn: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    client = aws.client("elbv2")
    client.set_subnets(LoadBalancerArn=arn, Subnets=new["subnets"])
    client.set_security_groups(LoadBalancerArn=arn, SecurityGroups=new["securityGroups"])
    _set_cross_zone(aws, arn, new)
    _update_tags(aws, arn, old, new)
    return {}


def _delete_balancer(aws: Aws, arn: str, _known: Inputs) -> None:
    aws.client("elbv2").delete_load_balancer(LoadBalancerArn=arn)


def _create_targets(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("elbv2").create_target_group(
        Name=inputs["name"],
        Protocol=inputs["protocol"],
        Port=int(inputs["port"]),
        VpcId=inputs["vpcId"],
        TargetType=inputs["targetType"],
        Tags=tag_list_of(inputs, aws),
    )
    (group,) = made["TargetGroups"]
    _set_target_attributes(aws, group["TargetGroupArn"], inputs)
    return Created(group["TargetGroupArn"], {"arn": group["TargetGroupArn"]})


def _set_target_attributes(aws: Aws, arn: str, inputs: Inputs) -> None:
    values = {theirs: inputs.get(ours, _TARGET_DEFAULTS[ours]) for ours, theirs in _OF_TARGETS.items()}
    aws.client("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=_attributes(values))


def _read_targets(aws: Aws, arn: str, known: Inputs) -> Found:
    client = aws.client("elbv2")
    (found,) = client.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    told = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    attributes = {entry["Key"]: entry["Value"] for entry in told}
    inputs = {
        "name": found["TargetGroupName"],
        "protocol": found["Protocol"],
        "port": found["Port"],
        "vpcId": found["VpcId"],
        "targetType": found["TargetType"],
        "connectionTermination": attributes.get(_OF_TARGETS["connectionTermination"]) == "true",
        "deregistrationDelay": int(attributes[_OF_TARGETS["deregistrationDelay"]]),
        "preserveClientIp": attributes.get(_OF_TARGETS["preserveClientIp"]),
        "tags": _own_tags(aws, arn),
    }
    return Found(reported(inputs, known, _TARGET_DEFAULTS), {"arn": arn})


def _update_targets(aws: Aws, arn: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    _set_target_attributes(aws, arn, new)
    _update_tags(aws, arn, old, new)
    return {}


def _delete_targets(aws: Aws, arn: str, _known: Inputs) -> None:
    aws.client("elbv2").delete_target_group(TargetGroupArn=arn)


def _actions(inputs: Inputs) -> list[dict[str, Any]]:
    return [
        {"Type": action["type"], "TargetGroupArn": action["targetGroupArn"]}
        for action in inputs["defaultActions"]
    ]


def _create_listener(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("elbv2").create_listener(
        LoadBalancerArn=inputs["loadBalancerArn"],
        Protocol=inputs["protocol"],
        Port=int(inputs["port"]),
        DefaultActions=_actions(inputs),
        Tags=tag_list_of(inputs, aws),
    )
    arn = made["Listeners"][0]["ListenerArn"]
    return Created(arn, {"arn": arn})


def _read_listener(aws: Aws, arn: str, known: Inputs) -> Found | None:
    # MiniStack answers an unknown ARN with an empty list, where AWS answers ListenerNotFound.
    for found in aws.client("elbv2").describe_listeners(ListenerArns=[arn])["Listeners"]:
        inputs = {
            "loadBalancerArn": found["LoadBalancerArn"],
            "protocol": found["Protocol"],
            "port": found["Port"],
            "defaultActions": [
                {"type": action["Type"], "targetGroupArn": action["TargetGroupArn"]}
                for action in found["DefaultActions"]
            ],
            "tags": _own_tags(aws, arn),
        }
        return Found(reported(inputs, known), {"arn": arn})
    return None


def _update_listener(aws: Aws, arn: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("elbv2").modify_listener(
        ListenerArn=arn, Protocol=new["protocol"], Port=int(new["port"]), DefaultActions=_actions(new)
    )
    _update_tags(aws, arn, old, new)
    return {}


def _delete_listener(aws: Aws, arn: str, _known: Inputs) -> None:
    aws.client("elbv2").delete_listener(ListenerArn=arn)


KINDS: dict[str, Kind] = {
    "aws:lb/loadBalancer:LoadBalancer": Kind(
        _create_balancer,
        _read_balancer,
        _delete_balancer,
        _update_balancer,
        fixed=_NAMED | {"loadBalancerType", "internal"},
        named="name",
    ),
    "aws:lb/targetGroup:TargetGroup": Kind(
        _create_targets,
        _read_targets,
        _delete_targets,
        _update_targets,
        fixed=_NAMED | {"port", "protocol", "targetType", "vpcId"},
        named="name",
    ),
    "aws:lb/listener:Listener": Kind(
        _create_listener,
        _read_listener,
        _delete_listener,
        _update_listener,
        fixed=frozenset({"loadBalancerArn"}),
    ),
}
