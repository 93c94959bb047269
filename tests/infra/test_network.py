"""The declared network: private, and with a way to what nodes need and to nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.infra.conftest import ACCOUNT_ID, RecordingProvider, as_list, preview, statements_of

LEADS_OUT = (
    "InternetGateway",
    "EgressOnlyInternetGateway",
    "NatGateway",
    "Route",
    "Eip",
    "VpcPeeringConnection",
    "VpnGateway",
)

OF_AWS = {"InstallPackages": "s3:GetObject", "KeepLogsOfEmr": "s3:PutObject"}
"""Statements about buckets of AWS in the region, which nodes use without credentials of the account."""


def test_two_private_subnets_lie_in_two_zones_of_the_region(declared: RecordingProvider) -> None:
    subnets = declared.all_of("Subnet")
    assert {subnet["availabilityZone"] for subnet in subnets} == {"eu-west-1a", "eu-west-1b"}
    assert {subnet["mapPublicIpOnLaunch"] for subnet in subnets} == {False}


def test_nothing_leads_out_of_the_network(declared: RecordingProvider) -> None:
    assert [token for token in LEADS_OUT if declared.all_of(token)] == []
    assert "routes" not in declared.one("RouteTable")


def test_every_rule_names_a_group_or_a_gateway_and_no_address_range(declared: RecordingProvider) -> None:
    rules = declared.all_of("SecurityGroupIngressRule") + declared.all_of("SecurityGroupEgressRule")
    assert len(rules) == 11
    for rule in rules:
        assert ("referencedSecurityGroupId" in rule) != ("prefixListId" in rule)
        assert not {"cidrIpv4", "cidrIpv6"} & rule.keys()


def test_only_other_nodes_and_emr_reach_the_nodes(declared: RecordingProvider) -> None:
    into_nodes = {
        (rule["referencedSecurityGroupId"], rule.get("toPort"))
        for rule in declared.all_of("SecurityGroupIngressRule")
        if rule["securityGroupId"].endswith("-nodes")
    }
    assert into_nodes == {("fruits-eu-nodes", None), ("fruits-eu-emr-service", 8443)}


def test_nodes_reach_emr_on_both_of_its_ports_which_emr_does_not_open_by_itself(
    declared: RecordingProvider,
) -> None:
    def ports(kind: str, of: str, to: str) -> set[int]:
        return {
            rule["toPort"]
            for rule in declared.all_of(kind)
            if rule["securityGroupId"] == of and rule.get("referencedSecurityGroupId") == to
        }

    nodes, emr = "fruits-eu-nodes", "fruits-eu-emr-service"
    assert ports("SecurityGroupEgressRule", nodes, emr) == {443, 9443}
    assert ports("SecurityGroupIngressRule", emr, nodes) == {443, 9443}


def test_there_is_a_way_to_nothing_that_no_node_may_use(declared: RecordingProvider) -> None:
    services = {inputs["serviceName"].rsplit(".", 1)[1] for inputs in declared.all_of("VpcEndpoint")}
    granted = {
        action.split(":")[0]
        for statement in declared.statements("emr-nodes")
        for action in as_list(statement["Action"])
    }
    assert services == granted


def test_the_networks_default_group_is_emptied(declared: RecordingProvider) -> None:
    assert not {"ingress", "egress"} & declared.one("DefaultSecurityGroup").keys()


def test_emr_finds_its_tag_on_network_subnets_and_groups(declared: RecordingProvider) -> None:
    for token in ("Vpc", "Subnet", "SecurityGroup"):
        for inputs in declared.all_of(token):
            assert inputs["tags"] == {"for-use-with-amazon-emr-managed-policies": "true"}


def test_endpoints_serve_this_account_and_the_stacks_own_resources(declared: RecordingProvider) -> None:
    endpoints = {inputs["serviceName"]: inputs for inputs in declared.all_of("VpcEndpoint")}
    assert {name: inputs["vpcEndpointType"] for name, inputs in endpoints.items()} == {
        "com.amazonaws.eu-west-1.s3": "Gateway",
        "com.amazonaws.eu-west-1.kms": "Interface",
    }
    for inputs in endpoints.values():
        for sid, statement in statements_of(inputs["policy"]).items():
            assert not [resource for resource in statement["Resource"] if resource == "*"]
            if sid not in OF_AWS:
                assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT_ID}}
    s3 = statements_of(endpoints["com.amazonaws.eu-west-1.s3"]["policy"])
    assert s3.keys() == {"UseDataBucket", *OF_AWS}
    for sid, action in OF_AWS.items():
        assert s3[sid]["Action"] == [action]
        assert all("eu-west-1" in resource for resource in s3[sid]["Resource"])


def test_further_image_buckets_are_reachable_read_only(build: Path) -> None:
    declared = preview(build, **{"fruits:imageBuckets": '["my-photos"]'})
    s3 = statements_of(declared.one("VpcEndpoint", "-s3")["policy"])
    assert s3["ReadImageBuckets"]["Action"] == ["s3:GetObject", "s3:ListBucket"]
    assert s3["ReadImageBuckets"]["Resource"] == ["arn:aws:s3:::my-photos", "arn:aws:s3:::my-photos/*"]


def test_emr_refuses_public_groups_in_the_whole_account(declared: RecordingProvider) -> None:
    assert declared.one("BlockPublicAccessConfiguration")["blockPublicSecurityGroupRules"] is True
