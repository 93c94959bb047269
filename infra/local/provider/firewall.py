"""EC2: security groups and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.network import tag_specifications, update_tags
from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, own_tags, reported

EVERYTHING = "-1"
"""The protocol that stands for all, and has no ports."""


def _group(aws: Aws, group: str) -> Mapping[str, Any]:
    (found,) = aws.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return dict(found)


def _outputs(aws: Aws, group: str) -> dict[str, Any]:
    return {"arn": aws.arn("ec2", f"security-group/{group}")}


def _rules_of(aws: Aws, group: str) -> list[Mapping[str, Any]]:
    filters = [{"Name": "group-id", "Values": [group]}]
    return list(aws.client("ec2").describe_security_group_rules(Filters=filters)["SecurityGroupRules"])


def _empty(aws: Aws, group: str) -> None:
    for rule in _rules_of(aws, group):
        _revoke(aws, group, rule["SecurityGroupRuleId"], egress=rule["IsEgress"])


def _revoke(aws: Aws, group: str, rule: str, *, egress: bool) -> None:
    ec2 = aws.client("ec2")
    revoke = ec2.revoke_security_group_egress if egress else ec2.revoke_security_group_ingress
    revoke(GroupId=group, SecurityGroupRuleIds=[rule])


def _create_default(aws: Aws, _name: str, inputs: Inputs) -> Created:
    ec2 = aws.client("ec2")
    filters = [{"Name": "vpc-id", "Values": [inputs["vpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    _empty(aws, group["GroupId"])
    return Created(group["GroupId"], _outputs(aws, group["GroupId"]))


def _read_default(aws: Aws, group: str, known: Inputs) -> Found:
    rules = _rules_of(aws, group)
    inputs = {
        "vpcId": _group(aws, group)["VpcId"],
        # The program gives none, so whatever is here came by another hand.
        "ingress": [_found_rule(rule, {}) for rule in rules if not rule["IsEgress"]],
        "egress": [_found_rule(rule, {}) for rule in rules if rule["IsEgress"]],
    }
    return Found(reported(inputs, known, {"ingress": [], "egress": []}), _outputs(aws, group))


def _update_default(aws: Aws, group: str, _old: Inputs, _new: Inputs) -> Mapping[str, Any]:
    _empty(aws, group)
    return {}


def _leave_default(_aws: Aws, _group: str, _known: Inputs) -> None:
    """Nothing: a VPC keeps its default group as long as it lives."""


def _create_group(aws: Aws, _name: str, inputs: Inputs) -> Created:
    group = aws.client("ec2").create_security_group(
        GroupName=inputs["name"],
        Description=inputs["description"],
        VpcId=inputs["vpcId"],
        TagSpecifications=tag_specifications(aws, "security-group", inputs),
    )["GroupId"]
    # As the real provider does: what may leave is said by rules of its own, and not by EC2's default.
    _empty(aws, group)
    return Created(group, _outputs(aws, group))


def _read_group(aws: Aws, group: str, known: Inputs) -> Found:
    found = _group(aws, group)
    inputs = {
        "name": found["GroupName"],
        "description": found["Description"],
        "vpcId": found["VpcId"],
        "tags": own_tags(found.get("Tags", ()), aws),
    }
    return Found(reported(inputs, known), _outputs(aws, group))


def _update_group(aws: Aws, group: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    update_tags(aws, group, old, new)
    return {}


def _delete_group(aws: Aws, group: str, known: Inputs) -> None:
    if known.get("revokeRulesOnDelete"):
        _empty(aws, group)
    aws.client("ec2").delete_security_group(GroupId=group)


def _ports(inputs: Inputs) -> dict[str, Any]:
    names = {"fromPort": "FromPort", "toPort": "ToPort"}
    ports = {theirs: int(inputs[ours]) for ours, theirs in names.items() if ours in inputs}
    return {"IpProtocol": inputs["ipProtocol"], **ports}


def _peer(aws: Aws, inputs: Inputs) -> dict[str, Any]:
    """The other end of a new rule."""
    described = {"Description": inputs["description"]} if "description" in inputs else {}
    if "referencedSecurityGroupId" in inputs:
        return {"UserIdGroupPairs": [{"GroupId": inputs["referencedSecurityGroupId"], **described}]}
    if "cidrIpv4" in inputs:
        return {"IpRanges": [{"CidrIp": inputs["cidrIpv4"], **described}]}
    # MiniStack drops a prefix list from a new rule, which makes all such rules the same one; it keeps the
    # list of a rule that is modified. So the rule begins with the addresses that the list stands for.
    (known,) = aws.client("ec2").describe_prefix_lists(PrefixListIds=[inputs["prefixListId"]])["PrefixLists"]
    return {"IpRanges": [{"CidrIp": cidr, **described} for cidr in known["Cidrs"]]}


def _modify(aws: Aws, rule: str, inputs: Inputs) -> None:
    names = {
        "referencedSecurityGroupId": "ReferencedGroupId",
        "cidrIpv4": "CidrIpv4",
        "prefixListId": "PrefixListId",
    }
    peer = {theirs: inputs[ours] for ours, theirs in names.items() if ours in inputs}
    now = {**_ports(inputs), **peer, "Description": inputs.get("description", "")}
    aws.client("ec2").modify_security_group_rules(
        GroupId=inputs["securityGroupId"],
        SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": now}],
    )


def _found_rule(rule: Mapping[str, Any], known: Inputs) -> dict[str, Any]:
    everything = rule["IpProtocol"] == EVERYTHING
    peer = {
        "referencedSecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
        "cidrIpv4": rule.get("CidrIpv4"),
        "prefixListId": rule.get("PrefixListId"),
    }
    if not any(peer.values()):
        # MiniStack describes a rule for a prefix list without the list.
        del peer["prefixListId"]
    found = {
        "securityGroupId": rule["GroupId"],
        "ipProtocol": rule["IpProtocol"],
        # Where there are no ports, EC2 answers -1.
        "fromPort": None if everything else rule["FromPort"],
        "toPort": None if everything else rule["ToPort"],
        "description": rule.get("Description"),
        **peer,
    }
    return reported(found, known)


def _rule(*, egress: bool) -> Kind:
    def create(aws: Aws, _name: str, inputs: Inputs) -> Created:
        ec2 = aws.client("ec2")
        allow = ec2.authorize_security_group_egress if egress else ec2.authorize_security_group_ingress
        permission = {**_ports(inputs), **_peer(aws, inputs)}
        made = allow(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[permission],
            TagSpecifications=tag_specifications(aws, "security-group-rule", inputs),
        )
        rule = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        if "prefixListId" in inputs:
            _modify(aws, rule, inputs)
        return Created(rule, outputs(aws, rule))

    def outputs(aws: Aws, rule: str) -> dict[str, Any]:
        return {"securityGroupRuleId": rule, "arn": aws.arn("ec2", f"security-group-rule/{rule}")}

    def read(aws: Aws, rule: str, known: Inputs) -> Found | None:
        answer = aws.client("ec2").describe_security_group_rules(SecurityGroupRuleIds=[rule])
        # MiniStack answers an unknown id with an empty list, where EC2 answers
        # InvalidSecurityGroupRuleId.NotFound.
        for found in answer["SecurityGroupRules"]:
            return Found(_found_rule(found, known), outputs(aws, rule))
        return None

    def update(aws: Aws, rule: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
        _modify(aws, rule, new)
        return {}

    def delete(aws: Aws, rule: str, known: Inputs) -> None:
        _revoke(aws, known["securityGroupId"], rule, egress=egress)

    return Kind(create, read, delete, update, fixed=frozenset({"securityGroupId"}))


KINDS: dict[str, Kind] = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Kind(
        _create_default, _read_default, _leave_default, _update_default, fixed=frozenset({"vpcId"})
    ),
    "aws:ec2/securityGroup:SecurityGroup": Kind(
        _create_group,
        _read_group,
        _delete_group,
        _update_group,
        fixed=frozenset({"name", "namePrefix", "description", "vpcId"}),
        named="name",
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule(egress=False),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rule(egress=True),
}
