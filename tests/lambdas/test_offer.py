"""What EMR offers in a region decides which machines are asked for: one other type, and all are refused."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from infra.local.emr import EmrEndpoint
from infra.local.ministack import MiniStack, client
from lambdas.aws.clusters import EmrClusters
from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.runs.cluster_port import Clusters
from lambdas.runs.dispatch import Outcome

from .conftest import NOT_OFFERED, unreachable_emr
from .fake_clusters import FakeClusters
from .world import SETTINGS, World

RELEASE = SETTINGS.release_label
OFFERED = frozenset(INSTANCE_TYPES) - NOT_OFFERED


def types_of(request: Mapping[str, Any]) -> list[list[str]]:
    """The types that each fleet of a request names."""
    return [
        [kind["InstanceType"] for kind in fleet["InstanceTypeConfigs"]]
        for fleet in request["Instances"]["InstanceFleets"]
    ]


def test_a_manifest_whose_types_are_all_not_offered_is_rejected_with_those_that_are(world: World) -> None:
    world.clusters.offered = frozenset({"m5.xlarge", "r5.xlarge", "p5.48xlarge"})
    result = world.launched(cluster={"instance_types": ["m6a.xlarge", "m6i.xlarge"]})
    assert result.outcome is Outcome.REJECTED
    assert not world.clusters.requests
    assert world.rejection()["faults"] == [
        {
            "path": "$.cluster.instance_types",
            "problem": "is m6a.xlarge, m6i.xlarge, and EMR offers none of that in eu-west-1 with emr-7.12.0",
            "remedy": "Name some of these: m5.xlarge, r5.xlarge.",
            "nearest": "m5.xlarge",
        }
    ]


def test_where_emr_offers_nothing_that_a_manifest_may_name_the_stack_is_to_move(world: World) -> None:
    world.clusters.offered = frozenset({"p5.48xlarge"})
    assert world.launched().outcome is Outcome.REJECTED
    (fault,) = world.rejection()["faults"]
    assert fault["remedy"] == "Deploy the stack with another release or region."


def test_of_the_types_of_a_manifest_those_that_are_offered_are_asked_for(world: World) -> None:
    world.clusters.offered = frozenset({"m5.xlarge", "m5a.xlarge"})
    result = world.launched(cluster={"instance_types": ["m6a.xlarge", "m5.xlarge"], "workers": 3})
    assert result.outcome is Outcome.LAUNCHED
    (request,) = world.clusters.requests
    assert types_of(request) == [["m5.xlarge"]] * 3


def test_graviton_types_are_launched_with_their_like_and_no_others(world: World) -> None:
    result = world.launched(cluster={"instance_types": ["m6g.xlarge"], "workers": 3, "market": "spot"})
    assert result.outcome is Outcome.LAUNCHED
    (request,) = world.clusters.requests
    for names in types_of(request):
        assert set(names) <= {name for name, kind in INSTANCE_TYPES.items() if kind.architecture == "arm64"}
        assert names[0] == "m6g.xlarge"


def test_a_type_that_the_region_lacks_is_refused_with_the_nearest_that_it_has(world: World) -> None:
    world.clusters.offered = frozenset({"m5.2xlarge", "c7g.xlarge", "m6g.xlarge", "r5.xlarge"})
    world.launched(cluster={"instance_types": ["m7g.xlarge"]})
    (fault,) = world.rejection()["faults"]
    assert (fault["path"], fault["nearest"]) == ("$.cluster.instance_types", "m6g.xlarge")
    assert not world.clusters.requests


@pytest.mark.parametrize("unknown", [None, frozenset()])
def test_a_launch_does_not_fail_because_emr_does_not_tell_what_it_offers(
    world: World, unknown: frozenset[str] | None
) -> None:
    world.clusters.offered = unknown
    assert world.launched(cluster={"market": "spot"}).outcome is Outcome.LAUNCHED
    (request,) = world.clusters.requests
    assert types_of(request) == [["m5.xlarge"]] * 3


@pytest.fixture(params=["fake", "aws"])
def clusters(request: pytest.FixtureRequest) -> Clusters:
    if request.param == "fake":
        fake = FakeClusters()
        fake.offered = OFFERED
        return fake
    api = emr_api(request.getfixturevalue("ministack"), request.getfixturevalue("emr"))
    return EmrClusters(launching=api, reading=api)


def emr_api(ministack: MiniStack, emr: EmrEndpoint, **credentials: str) -> Any:
    return client("emr", ministack.environment | {"AWS_ENDPOINT_URL_EMR": emr.url}, **credentials)


def test_every_type_that_emr_offers_is_known_and_no_other(clusters: Clusters) -> None:
    assert clusters.instance_types(RELEASE) == OFFERED


def test_emr_is_asked_once_a_release(ministack: MiniStack, emr: EmrEndpoint) -> None:
    api, asked = emr_api(ministack, emr), []
    api.meta.events.register(
        "provide-client-params.emr.ListSupportedInstanceTypes", lambda params, **_: asked.append(params)
    )
    clusters = EmrClusters(launching=api, reading=api)
    assert clusters.instance_types(RELEASE) == clusters.instance_types(RELEASE)
    assert [page.get("Marker") for page in asked] == [None, "10", "20"]
    clusters.instance_types("emr-7.13.0")
    assert len(asked) == 6


def test_who_may_not_ask_says_so_and_asks_again_next_time(
    ministack: MiniStack, emr: EmrEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    iam, name = ministack.client("iam"), f"launcher-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }
    api = emr_api(ministack, emr, **credentials)
    clusters = EmrClusters(launching=api, reading=api)
    assert clusters.instance_types(RELEASE) is None
    assert "EMR does not tell its instance types; those of the manifest are used: An error" in caplog.text
    iam.put_user_policy(
        UserName=name,
        PolicyName="ask",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", '
        '"Action": "elasticmapreduce:ListSupportedInstanceTypes"}]}',
    )
    assert clusters.instance_types(RELEASE) == OFFERED


def test_who_gets_no_answer_knows_nothing() -> None:
    unreachable = unreachable_emr()
    assert EmrClusters(launching=unreachable, reading=unreachable).instance_types(RELEASE) is None
