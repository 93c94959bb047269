"""EC2: the VPC, its subnets, routes and endpoints."""

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


def tag_specifications(aws: Aws, kind: str, inputs: Inputs) -> list[dict[str, Any]]:
    """The tags of a new EC2 resource, as EC2 wants them."""
    return [{"ResourceType": kind, "Tags": tag_list_of(inputs, aws)}]


def update_tags(aws: Aws, resource: str, old: Inputs, new: Inputs) -> None:
    """Make the tags of an EC2 resource those that ``new`` gives beside the provider's."""
    before, after = tags_of(old, aws), tags_of(new, aws)
    ec2 = aws.client("ec2")
    if gone := [{"Key": key} for key in sorted(before.keys() - after.keys())]:
        ec2.delete_tags(Resources=[resource], Tags=gone)
    if changed := [{"Key": key, "Value": value} for key, value in after.items() if before.get(key) != value]:
        ec2.create_tags(Resources=[resource], Tags=changed)


_DNS = {"enableDnsSupport": "EnableDnsSupport", "enableDnsHostnames": "EnableDnsHostnames"}
_DNS_DEFAULTS = {"enableDnsSupport": True, "enableDnsHostnames": False}
"""Source: API reference of ModifyVpcAttribute."""


def _create_vpc(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("ec2").create_vpc(
        CidrBlock=inputs["cidrBlock"], TagSpecifications=tag_specifications(aws, "vpc", inputs)
    )
    vpc = made["Vpc"]["VpcId"]
    _set_dns(aws, vpc, inputs)
    return Created(vpc, {"arn": aws.arn("ec2", f"vpc/{vpc}")})


def _set_dns(aws: Aws, vpc: str, inputs: Inputs) -> None:
    for ours, theirs in _DNS.items():
        value = {"Value": inputs.get(ours, _DNS_DEFAULTS[ours])}
        # One attribute a request; EC2 refuses two.
        aws.client("ec2").modify_vpc_attribute(VpcId=vpc, **{theirs: value})


def _read_vpc(aws: Aws, vpc: str, known: Inputs) -> Found:
    ec2 = aws.client("ec2")
    (found,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    dns = {
        ours: ec2.describe_vpc_attribute(VpcId=vpc, Attribute=ours)[theirs]["Value"]
        for ours, theirs in _DNS.items()
    }
    inputs = {"cidrBlock": found["CidrBlock"], **dns, "tags": own_tags(found.get("Tags", ()), aws)}
    return Found(reported(inputs, known, _DNS_DEFAULTS), {"arn": aws.arn("ec2", f"vpc/{vpc}")})


def _update_vpc(aws: Aws, vpc: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    _set_dns(aws, vpc, new)
    update_tags(aws, vpc, old, new)
    return {}


def _delete_vpc(aws: Aws, vpc: str, _known: Inputs) -> None:
    aws.client("ec2").delete_vpc(VpcId=vpc)


def _create_subnet(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("ec2").create_subnet(
        VpcId=inputs["vpcId"],
        CidrBlock=inputs["cidrBlock"],
        AvailabilityZone=inputs["availabilityZone"],
        TagSpecifications=tag_specifications(aws, "subnet", inputs),
    )
    subnet = made["Subnet"]["SubnetId"]
    _set_public_addresses(aws, subnet, inputs)
    return Created(subnet, {"arn": aws.arn("ec2", f"subnet/{subnet}")})


def _set_public_addresses(aws: Aws, subnet: str, inputs: Inputs) -> None:
    public = inputs.get("mapPublicIpOnLaunch", False)
    aws.client("ec2").modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": public})


def _read_subnet(aws: Aws, subnet: str, known: Inputs) -> Found:
    (found,) = aws.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"]
    inputs = {
        "vpcId": found["VpcId"],
        "cidrBlock": found["CidrBlock"],
        "availabilityZone": found["AvailabilityZone"],
        "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
        "tags": own_tags(found.get("Tags", ()), aws),
    }
    return Found(
        reported(inputs, known, {"mapPublicIpOnLaunch": False}), {"arn": aws.arn("ec2", f"subnet/{subnet}")}
    )


def _update_subnet(aws: Aws, subnet: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    _set_public_addresses(aws, subnet, new)
    update_tags(aws, subnet, old, new)
    return {}


def _delete_subnet(aws: Aws, subnet: str, _known: Inputs) -> None:
    aws.client("ec2").delete_subnet(SubnetId=subnet)


def _create_route_table(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("ec2").create_route_table(
        VpcId=inputs["vpcId"], TagSpecifications=tag_specifications(aws, "route-table", inputs)
    )
    return Created(made["RouteTable"]["RouteTableId"])


def _read_route_table(aws: Aws, table: str, known: Inputs) -> Found | None:
    # MiniStack answers an unknown id with an empty list, where EC2 answers InvalidRouteTableID.NotFound.
    for found in aws.client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"]:
        inputs = {"vpcId": found["VpcId"], "tags": own_tags(found.get("Tags", ()), aws)}
        return Found(reported(inputs, known))
    return None


def _update_route_table(aws: Aws, table: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    update_tags(aws, table, old, new)
    return {}


def _delete_route_table(aws: Aws, table: str, _known: Inputs) -> None:
    aws.client("ec2").delete_route_table(RouteTableId=table)


def _create_association(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("ec2").associate_route_table(
        SubnetId=inputs["subnetId"], RouteTableId=inputs["routeTableId"]
    )
    return Created(made["AssociationId"])


def _association(aws: Aws, first_id: str, known: Inputs) -> Mapping[str, Any] | None:
    """The association of the known subnet, which has one at most and another id after each change."""
    if "subnetId" in known:
        key, name, value = "SubnetId", "association.subnet-id", known["subnetId"]
    else:
        key, name, value = "RouteTableAssociationId", "association.route-table-association-id", first_id
    tables = aws.client("ec2").describe_route_tables(Filters=[{"Name": name, "Values": [value]}])
    all_of_them = (entry for table in tables["RouteTables"] for entry in table["Associations"])
    return next((entry for entry in all_of_them if entry.get(key) == value), None)


def _read_association(aws: Aws, first_id: str, known: Inputs) -> Found | None:
    if (found := _association(aws, first_id, known)) is None:
        return None
    return Found({"subnetId": found["SubnetId"], "routeTableId": found["RouteTableId"]})


def _update_association(aws: Aws, first_id: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    if (found := _association(aws, first_id, old)) is not None:
        aws.client("ec2").replace_route_table_association(
            AssociationId=found["RouteTableAssociationId"], RouteTableId=new["routeTableId"]
        )
    return {}


def _delete_association(aws: Aws, first_id: str, known: Inputs) -> None:
    if (found := _association(aws, first_id, known)) is not None:
        aws.client("ec2").disassociate_route_table(AssociationId=found["RouteTableAssociationId"])


_MEMBERS = {"routeTableIds": "RouteTableId", "subnetIds": "SubnetId", "securityGroupIds": "SecurityGroupId"}
"""Our names of an endpoint's lists, and EC2's name of one entry."""


def _create_endpoint(aws: Aws, _name: str, inputs: Inputs) -> Created:
    given: dict[str, Any] = {
        f"{theirs}s": inputs[ours] for ours, theirs in _MEMBERS.items() if ours in inputs
    }
    if "policy" in inputs:
        given["PolicyDocument"] = inputs["policy"]
    if "privateDnsEnabled" in inputs:
        given["PrivateDnsEnabled"] = inputs["privateDnsEnabled"]
    made = aws.client("ec2").create_vpc_endpoint(
        VpcId=inputs["vpcId"],
        ServiceName=inputs["serviceName"],
        VpcEndpointType=inputs["vpcEndpointType"],
        TagSpecifications=tag_specifications(aws, "vpc-endpoint", inputs),
        **given,
    )["VpcEndpoint"]
    return Created(made["VpcEndpointId"], _endpoint_outputs(aws, made))


def _endpoint_outputs(aws: Aws, endpoint: Mapping[str, Any]) -> dict[str, Any]:
    outputs = {"arn": aws.arn("ec2", f"vpc-endpoint/{endpoint['VpcEndpointId']}")}
    if endpoint["VpcEndpointType"] == "Gateway":
        filters = [{"Name": "prefix-list-name", "Values": [endpoint["ServiceName"]]}]
        (entry,) = aws.client("ec2").describe_prefix_lists(Filters=filters)["PrefixLists"]
        outputs["prefixListId"] = entry["PrefixListId"]
    return outputs


def _read_endpoint(aws: Aws, endpoint: str, known: Inputs) -> Found | None:
    # MiniStack answers an unknown id with an empty list, where EC2 answers InvalidVpcEndpointId.NotFound.
    for found in aws.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]:
        sets = {"routeTableIds": found["RouteTableIds"], "subnetIds": found["SubnetIds"]}
        told: dict[str, Any] = {}
        # MiniStack tells neither of these three.
        if "Groups" in found:
            sets["securityGroupIds"] = [group["GroupId"] for group in found["Groups"]]
        if "PolicyDocument" in found:
            told["policy"] = found["PolicyDocument"]
        if "PrivateDnsEnabled" in found:
            told["privateDnsEnabled"] = found["PrivateDnsEnabled"]
        inputs = {
            "vpcId": found["VpcId"],
            "serviceName": found["ServiceName"],
            "vpcEndpointType": found["VpcEndpointType"],
            "tags": own_tags(found.get("Tags", ()), aws),
            **{key: in_order_of(known.get(key), ids) for key, ids in sets.items()},
            **told,
        }
        defaults = {**{key: [] for key in sets}, "privateDnsEnabled": False}
        return Found(reported(inputs, known, defaults), _endpoint_outputs(aws, found))
    return None


def _update_endpoint(aws: Aws, endpoint: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    changes: dict[str, Any] = {}
    for ours, theirs in _MEMBERS.items():
        before, after = set(old.get(ours, ())), set(new.get(ours, ()))
        if after - before:
            changes[f"Add{theirs}s"] = sorted(after - before)
        if before - after:
            changes[f"Remove{theirs}s"] = sorted(before - after)
    if old.get("policy") != new.get("policy"):
        changes |= {"PolicyDocument": new["policy"]} if "policy" in new else {"ResetPolicy": True}
    if old.get("privateDnsEnabled", False) != new.get("privateDnsEnabled", False):
        changes["PrivateDnsEnabled"] = new.get("privateDnsEnabled", False)
    if changes:
        aws.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint, **changes)
    update_tags(aws, endpoint, old, new)
    return {}


def _delete_endpoint(aws: Aws, endpoint: str, _known: Inputs) -> None:
    aws.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[endpoint])


KINDS: dict[str, Kind] = {
    "aws:ec2/vpc:Vpc": Kind(_create_vpc, _read_vpc, _delete_vpc, _update_vpc, fixed=frozenset({"cidrBlock"})),
    "aws:ec2/subnet:Subnet": Kind(
        _create_subnet,
        _read_subnet,
        _delete_subnet,
        _update_subnet,
        fixed=frozenset({"vpcId", "cidrBlock", "availabilityZone"}),
    ),
    "aws:ec2/routeTable:RouteTable": Kind(
        _create_route_table,
        _read_route_table,
        _delete_route_table,
        _update_route_table,
        fixed=frozenset({"vpcId"}),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Kind(
        _create_association,
        _read_association,
        _delete_association,
        _update_association,
        fixed=frozenset({"subnetId"}),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Kind(
        _create_endpoint,
        _read_endpoint,
        _delete_endpoint,
        _update_endpoint,
        fixed=frozenset({"vpcId", "serviceName", "vpcEndpointType"}),
    ),
}
