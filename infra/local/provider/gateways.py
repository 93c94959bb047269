"""EC2: internet gateways, and the routes that lead to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.network import tag_specifications, update_tags
from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, own_tags, reported


def _create_gateway(aws: Aws, _name: str, inputs: Inputs) -> Created:
    ec2 = aws.client("ec2")
    made = ec2.create_internet_gateway(TagSpecifications=tag_specifications(aws, "internet-gateway", inputs))
    gateway = made["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=inputs["vpcId"])
    return Created(gateway, {"arn": aws.arn("ec2", f"internet-gateway/{gateway}")})


def _read_gateway(aws: Aws, gateway: str, known: Inputs) -> Found:
    (found,) = aws.client("ec2").describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"]
    attached = next((entry["VpcId"] for entry in found["Attachments"]), None)
    inputs = {"vpcId": attached, "tags": own_tags(found.get("Tags", ()), aws)}
    return Found(reported(inputs, known), {"arn": aws.arn("ec2", f"internet-gateway/{gateway}")})


def _update_gateway(aws: Aws, gateway: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    if old["vpcId"] != new["vpcId"]:
        aws.client("ec2").detach_internet_gateway(InternetGatewayId=gateway, VpcId=old["vpcId"])
        aws.client("ec2").attach_internet_gateway(InternetGatewayId=gateway, VpcId=new["vpcId"])
    update_tags(aws, gateway, old, new)
    return {}


def _delete_gateway(aws: Aws, gateway: str, known: Inputs) -> None:
    # EC2 keeps one that is attached.
    aws.client("ec2").detach_internet_gateway(InternetGatewayId=gateway, VpcId=known["vpcId"])
    aws.client("ec2").delete_internet_gateway(InternetGatewayId=gateway)


def _create_route(aws: Aws, _name: str, inputs: Inputs) -> Created:
    table, cidr = inputs["routeTableId"], inputs["destinationCidrBlock"]
    aws.client("ec2").create_route(
        RouteTableId=table, DestinationCidrBlock=cidr, GatewayId=inputs["gatewayId"]
    )
    return Created(f"{table}_{cidr}", {"state": "active"})


def _read_route(aws: Aws, route: str, _known: Inputs) -> Found | None:
    table, _, cidr = route.rpartition("_")
    # MiniStack answers an unknown id with an empty list, where EC2 answers InvalidRouteTableID.NotFound.
    for found in aws.client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"]:
        for entry in found["Routes"]:
            if entry.get("DestinationCidrBlock") == cidr:
                inputs = {
                    "routeTableId": table,
                    "destinationCidrBlock": cidr,
                    "gatewayId": entry.get("GatewayId"),
                }
                return Found(inputs, {"state": entry["State"]})
    return None


def _update_route(aws: Aws, _route: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("ec2").replace_route(
        RouteTableId=new["routeTableId"],
        DestinationCidrBlock=new["destinationCidrBlock"],
        GatewayId=new["gatewayId"],
    )
    return {}


def _delete_route(aws: Aws, _route: str, known: Inputs) -> None:
    aws.client("ec2").delete_route(
        RouteTableId=known["routeTableId"], DestinationCidrBlock=known["destinationCidrBlock"]
    )


KINDS: dict[str, Kind] = {
    "aws:ec2/internetGateway:InternetGateway": Kind(
        _create_gateway, _read_gateway, _delete_gateway, _update_gateway
    ),
    "aws:ec2/route:Route": Kind(
        _create_route,
        _read_route,
        _delete_route,
        _update_route,
        fixed=frozenset({"routeTableId", "destinationCidrBlock"}),
    ),
}
