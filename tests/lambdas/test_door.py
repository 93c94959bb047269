"""What the door asks of AWS, answered as AWS would by botocore's own stubs, which check every request."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from lambdas.aws.clusters import EmrClusters
from lambdas.aws.door import AwsDoor
from lambdas.contract.settings import DoorSettings, secrets_of
from lambdas.contract.workbench import USER, login_json

RUN = "workbench.explore-0123456789ab"
NAME = f"fruits-eu/workbench/{RUN}"
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/door/0123456789abcdef"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/control"
TARGET = {"TargetGroupArn": GROUP, "Targets": [{"Id": "10.0.0.1", "Port": 9443}]}


@pytest.fixture
def aws() -> Iterator[tuple[AwsDoor, dict[str, Stubber]]]:
    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    clients: dict[str, Any] = {name: session.client(name) for name in ("elbv2", "secretsmanager")}  # type: ignore[call-overload]
    stubs = {name: Stubber(client) for name, client in clients.items()}
    for stub in stubs.values():
        stub.activate()
    yield AwsDoor(clients.__getitem__, DoorSettings(GROUP, secrets_of("fruits-eu"), KEY)), stubs
    for stub in stubs.values():
        stub.assert_no_pending_responses()


def test_a_password_is_kept_under_the_stacks_key_and_only_its_digest_leaves(
    aws: tuple[AwsDoor, dict[str, Stubber]],
) -> None:
    door, stubs = aws
    expected = {"Name": NAME, "Description": ANY, "KmsKeyId": KEY, "SecretString": ANY}
    stubs["secretsmanager"].add_response("create_secret", {}, expected)
    login = json.loads(door.new_password(RUN))
    assert set(login) == {"user", "salt", "digest", "n", "r", "p"}
    assert login["user"] == USER


def test_another_attempt_gets_another_password(aws: tuple[AwsDoor, dict[str, Stubber]]) -> None:
    door, stubs = aws
    stubs["secretsmanager"].add_client_error("create_secret", "ResourceExistsException")
    stubs["secretsmanager"].add_response("put_secret_value", {}, {"SecretId": NAME, "SecretString": ANY})
    assert door.new_password(RUN)


def test_the_password_goes_for_good_and_once(aws: tuple[AwsDoor, dict[str, Stubber]]) -> None:
    door, stubs = aws
    expected = {"SecretId": NAME, "ForceDeleteWithoutRecovery": True}
    stubs["secretsmanager"].add_response("delete_secret", {}, expected)
    stubs["secretsmanager"].add_client_error("delete_secret", "ResourceNotFoundException")
    door.forget_password(RUN)
    door.forget_password(RUN)


def test_the_door_leads_to_one_port_of_one_machine(aws: tuple[AwsDoor, dict[str, Stubber]]) -> None:
    door, stubs = aws
    stubs["elbv2"].add_response("register_targets", {}, TARGET)
    stubs["elbv2"].add_response("deregister_targets", {}, TARGET)
    door.open("10.0.0.1")
    door.close("10.0.0.1")


def test_where_there_is_no_door_any_more_nothing_is_left_to_close() -> None:
    def client(service: str) -> Any:
        raise AssertionError(service)

    door = AwsDoor(client, DoorSettings("", "", ""))
    door.close("10.0.0.1")
    door.forget_password(RUN)


def test_the_digest_is_that_of_the_password_and_its_salt() -> None:
    login = json.loads(login_json("secret", b"salt"))
    cost = {name: login[name] for name in ("n", "r", "p")}
    assert base64.b64decode(login["digest"]) == hashlib.scrypt(b"secret", salt=b"salt", **cost)
    assert base64.b64decode(login["salt"]) == b"salt"
    assert "secret" not in json.dumps(login)


@pytest.mark.parametrize(
    ("instances", "address"), [([{"PrivateIpAddress": "10.0.0.7"}], "10.0.0.7"), ([], None)]
)
def test_the_door_leads_to_the_running_primary_node_that_emr_names(
    instances: list[dict[str, str]], address: str | None
) -> None:
    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    emr = session.client("emr")
    asked = {"ClusterId": "j-1", "InstanceFleetType": "MASTER", "InstanceStates": ["RUNNING"]}
    with Stubber(emr) as stub:
        stub.add_response("list_instances", {"Instances": instances}, asked)
        assert EmrClusters(launching=emr, reading=emr).primary_address("j-1") == address
