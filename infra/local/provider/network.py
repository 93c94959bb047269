"""EC2: the VPC, its subnets, routes, endpoints and security groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _tags(aws: Aws, kind: str, inputs: Inputs) -> list[dict[str, Any]]:
    tags = {**aws.tags, **inputs.get("tags", {})}
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def _vpc(aws: Aws, _name: str, inputs: Inputs) -> Created:
    ec2 = aws.client("ec2")
    made = ec2.create_vpc(CidrBlock=inputs["cidrBlock"], TagSpecifications=_tags(aws, "vpc", inputs))
    vpc = made["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": inputs["enableDnsSupport"]})
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": inputs["enableDnsHostnames"]})
    return Created(vpc)


def _subnet(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("ec2").create_subnet(
        VpcId=inputs["vpcId"],
        CidrBlock=inputs["cidrBlock"],
        AvailabilityZone=inputs["availabilityZone"],
        TagSpecifications=_tags(aws, "subnet", inputs),
    )
    subnet = made["Subnet"]["SubnetId"]
    aws.client("ec2").modify_subnet_attribute(
        SubnetId=subnet, MapPublicIpOnLaunch={"Value": inputs["mapPublicIpOnLaunch"]}
    )
    return Created(subnet)


def _route_table(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("ec2").create_route_table(
        VpcId=inputs["vpcId"], TagSpecifications=_tags(aws, "route-table", inputs)
    )
    return Created(made["RouteTable"]["RouteTableId"])


def _route_table_association(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("ec2").associate_route_table(
        SubnetId=inputs["subnetId"], RouteTableId=inputs["routeTableId"]
    )
    return Created(made["AssociationId"])


def _endpoint(aws: Aws, _name: str, inputs: Inputs) -> Created:
    ec2, service = aws.client("ec2"), inputs["serviceName"]
    lists = {
        "RouteTableIds": inputs.get("routeTableIds"),
        "SubnetIds": inputs.get("subnetIds"),
        "SecurityGroupIds": inputs.get("securityGroupIds"),
    }
    made = ec2.create_vpc_endpoint(
        VpcId=inputs["vpcId"],
        ServiceName=service,
        VpcEndpointType=inputs["vpcEndpointType"],
        PolicyDocument=inputs["policy"],
        PrivateDnsEnabled=inputs.get("privateDnsEnabled", False),
        TagSpecifications=_tags(aws, "vpc-endpoint", inputs),
        **{key: value for key, value in lists.items() if value},
    )
    outputs: dict[str, Any] = {}
    if inputs["vpcEndpointType"] == "Gateway":
        known = ec2.describe_prefix_lists()["PrefixLists"]
        outputs["prefixListId"] = next(
            entry["PrefixListId"] for entry in known if entry["PrefixListName"] == service
        )
    return Created(made["VpcEndpoint"]["VpcEndpointId"], outputs)


def _default_security_group(aws: Aws, _name: str, inputs: Inputs) -> Created:
    ec2 = aws.client("ec2")
    filters = [{"Name": "vpc-id", "Values": [inputs["vpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    _empty(ec2, group)
    return Created(group["GroupId"])


def _security_group(aws: Aws, name: str, inputs: Inputs) -> Created:
    ec2 = aws.client("ec2")
    made = ec2.create_security_group(
        GroupName=physical_name(name, inputs),
        Description=inputs["description"],
        VpcId=inputs["vpcId"],
        TagSpecifications=_tags(aws, "security-group", inputs),
    )
    # As the real provider does: what may leave is said by rules of its own, and not by EC2's default.
    _empty(ec2, ec2.describe_security_groups(GroupIds=[made["GroupId"]])["SecurityGroups"][0])
    return Created(made["GroupId"])


def _empty(ec2: Any, group: Mapping[str, Any]) -> None:
    if group["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    if group["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])


def _permission(inputs: Inputs) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": inputs["ipProtocol"]}
    if "fromPort" in inputs:
        permission |= {"FromPort": int(inputs["fromPort"]), "ToPort": int(inputs["toPort"])}
    if "prefixListId" in inputs:
        return permission | {"PrefixListIds": [{"PrefixListId": inputs["prefixListId"]}]}
    return permission | {"UserIdGroupPairs": [{"GroupId": inputs["referencedSecurityGroupId"]}]}


def _ingress(aws: Aws, name: str, inputs: Inputs) -> Created:
    aws.client("ec2").authorize_security_group_ingress(
        GroupId=inputs["securityGroupId"], IpPermissions=[_permission(inputs)]
    )
    return Created(name)


def _egress(aws: Aws, name: str, inputs: Inputs) -> Created:
    aws.client("ec2").authorize_security_group_egress(
        GroupId=inputs["securityGroupId"], IpPermissions=[_permission(inputs)]
    )
    return Created(name)


CREATORS: dict[str, Creator] = {
    "aws:ec2/vpc:Vpc": _vpc,
    "aws:ec2/subnet:Subnet": _subnet,
    "aws:ec2/routeTable:RouteTable": _route_table,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _route_table_association,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _default_security_group,
    "aws:ec2/securityGroup:SecurityGroup": _security_group,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _ingress,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _egress,
}
