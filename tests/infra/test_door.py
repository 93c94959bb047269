"""The way in to a workbench: there is none, or one, for named networks and on one port."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.components.door import SUBNETS
from tests.infra.conftest import RecordingProvider, preview

HERE = {"aws:region": "eu-west-1", "fruits:nodePackages": "preinstalled"}
CIDRS = {"fruits:workbenchCidrs": '["203.0.113.0/24", "198.51.100.7/32"]'}
KINDS = ("InternetGateway", "Route", "LoadBalancer", "TargetGroup", "Listener")
FUNCTIONS = ("launcher", "tracker", "reconciler")


@pytest.fixture(scope="module")
def opened(build: Path) -> RecordingProvider:
    return preview(build, **HERE, **CIDRS)


@pytest.fixture(scope="module")
def closed(build: Path) -> RecordingProvider:
    return preview(build, **HERE)


def actions(declared: RecordingProvider, role: str) -> set[str]:
    return {action for one in declared.statements(role) for action in one["Action"]}


def variables(declared: RecordingProvider, function: str) -> dict[str, str]:
    found: dict[str, str] = declared.one("Function", f"-{function}")["environment"]["variables"]
    return found


def test_without_networks_there_is_no_door_and_nothing_knows_of_one(closed: RecordingProvider) -> None:
    assert [kind for kind in KINDS if closed.all_of(kind)] == []
    assert len(closed.all_of("Subnet")) == 2
    for role in FUNCTIONS:
        told = variables(closed, role)
        assert {told[name] for name in told if "WORKBENCH" in name} == {""}
        assert not {one for one in actions(closed, role) if one.startswith(("secretsmanager", "elasticload"))}
    assert not any("notebooks/" in str(one["Resource"]) for one in closed.statements("-emr-nodes"))
    assert not any("secretsmanager" in key["policy"] for key in closed.all_of("Key"))


def test_the_door_lets_the_named_networks_in_on_one_port_and_nobody_else(opened: RecordingProvider) -> None:
    let_in = [rule for rule in opened.all_of("SecurityGroupIngressRule") if "cidrIpv4" in rule]
    assert {rule["cidrIpv4"] for rule in let_in} == {"203.0.113.0/24", "198.51.100.7/32"}
    assert {(rule["fromPort"], rule["toPort"], rule["ipProtocol"]) for rule in let_in} == {
        (9443, 9443, "tcp")
    }
    assert {rule["securityGroupId"] for rule in let_in} == {"fruits-eu-door"}
    assert opened.one("LoadBalancer")["securityGroups"] == ["fruits-eu-door"]
    assert not any("cidrIpv4" in rule for rule in opened.all_of("SecurityGroupEgressRule"))


def test_behind_the_door_is_the_nodes_port_and_nodes_let_nothing_else_of_it_in(
    opened: RecordingProvider,
) -> None:
    of_door = [
        (rule["securityGroupId"], rule["referencedSecurityGroupId"], rule["toPort"])
        for kind in ("SecurityGroupIngressRule", "SecurityGroupEgressRule")
        for rule in opened.all_of(kind)
        if "fruits-eu-door" in (rule["securityGroupId"], rule.get("referencedSecurityGroupId"))
        and "cidrIpv4" not in rule
    ]
    assert of_door == [
        ("fruits-eu-nodes", "fruits-eu-door", 9443),
        ("fruits-eu-door", "fruits-eu-nodes", 9443),
    ]


def test_the_way_out_leads_to_the_named_networks_and_from_no_subnet_with_nodes(
    opened: RecordingProvider,
) -> None:
    assert {route["destinationCidrBlock"] for route in opened.all_of("Route")} == {
        "203.0.113.0/24",
        "198.51.100.7/32",
    }
    assert {route["routeTableId"] for route in opened.all_of("Route")} == {"fruits-eu-door"}
    served = {one["subnetId"]: one["routeTableId"] for one in opened.all_of("RouteTableAssociation")}
    assert served == {
        "fruits-eu-a": "fruits-eu", "fruits-eu-b": "fruits-eu",
        "fruits-eu-door-a": "fruits-eu-door", "fruits-eu-door-b": "fruits-eu-door",
    }  # fmt: skip
    assert opened.one("LoadBalancer")["subnets"] == ["fruits-eu-door-a", "fruits-eu-door-b"]
    nodes = variables(opened, "launcher")["FRUITS_SUBNET_IDS"].split(",")
    assert not {"fruits-eu-door-a", "fruits-eu-door-b"} & set(nodes)
    assert {subnet["mapPublicIpOnLaunch"] for subnet in opened.all_of("Subnet")} == {False}
    assert set(SUBNETS.values()) <= {subnet["cidrBlock"] for subnet in opened.all_of("Subnet")}


def test_tls_is_the_workbenchs_own_and_nobody_is_behind_the_door_by_the_program(
    opened: RecordingProvider,
) -> None:
    listener, group = opened.one("Listener"), opened.one("TargetGroup")
    assert (listener["protocol"], listener["port"]) == ("TCP", 9443)
    assert (group["protocol"], group["port"], group["targetType"]) == ("TCP", 9443, "ip")
    assert group["connectionTermination"] is True
    assert opened.all_of("TargetGroupAttachment") == []


def test_who_launches_makes_passwords_who_follows_attends_the_door_and_no_function_reads_one(
    opened: RecordingProvider,
) -> None:
    making = {"secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"}
    attending = {
        "secretsmanager:DeleteSecret",
        "elasticloadbalancing:RegisterTargets",
        "elasticloadbalancing:DeregisterTargets",
    }
    for role, allowed in (("launcher", making), ("tracker", attending), ("reconciler", making | attending)):
        known = {one for one in actions(opened, role) if one.startswith(("secretsmanager", "elasticload"))}
        assert known == allowed, role
        for statement in opened.statements(role):
            if any(action.startswith("secretsmanager") for action in statement["Action"]):
                (arn,) = statement["Resource"]
                assert arn.endswith(":secret:fruits-eu/workbench/*")
            if any(action.startswith("elasticload") for action in statement["Action"]):
                assert statement["Resource"] == ["arn:test:lb/targetGroup:::fruits-eu-door"]
    assert "secretsmanager:GetSecretValue" not in {
        action for role in (*FUNCTIONS, "-emr-nodes") for action in actions(opened, role)
    }


def test_passwords_are_encrypted_with_the_stacks_key_which_serves_nothing_else_for_it(
    opened: RecordingProvider,
) -> None:
    through = "secretsmanager.eu-west-1.amazonaws.com"
    assert [key for key in opened.all_of("Key") if through in key["policy"]] == [
        opened.one("Key", "-control")
    ]
    for role in ("launcher", "reconciler"):
        (use,) = [one for one in opened.statements(role) if one["Sid"] == "UsePasswordKey"]
        assert use["Condition"] == {"StringEquals": {"kms:ViaService": through}}
        assert variables(opened, role)["FRUITS_WORKBENCH_KEY_ARN"] == use["Resource"][0]


def test_nodes_keep_notebooks_and_delete_none(opened: RecordingProvider) -> None:
    keeping = [one for one in opened.statements("-emr-nodes") if "notebooks/" in str(one)]
    assert {action for one in keeping for action in one["Action"]} == {
        "s3:GetObject", "s3:PutObject", "s3:ListBucket",
    }  # fmt: skip


def test_the_launcher_may_try_whether_notebooks_can_be_kept_and_touch_none(
    opened: RecordingProvider, closed: RecordingProvider
) -> None:
    (trying,) = [one for one in opened.statements("launcher") if "notebooks/" in str(one)]
    assert trying["Action"] == ["s3:PutObject"]
    (place,) = trying["Resource"]
    assert place.endswith("/notebooks/*/.kept")
    assert not any("notebooks/" in str(one) for one in closed.statements("launcher"))


def test_functions_and_commands_are_told_where_the_door_is(opened: RecordingProvider) -> None:
    told = variables(opened, "launcher")
    assert told["FRUITS_WORKBENCH_SETUP_PREFIX"].startswith("artifacts/workbench-")
    keys = {one["key"] for one in opened.all_of("BucketObjectv2")}
    for name in ("setup.sh", "hub.py", "activity.py", "kept.py", "start.ipynb", "run_all.ipynb"):
        assert told["FRUITS_WORKBENCH_SETUP_PREFIX"] + name in keys
    for role in ("tracker", "reconciler"):
        assert variables(opened, role)["FRUITS_WORKBENCH_TARGET_GROUP"].endswith("fruits-eu-door")
