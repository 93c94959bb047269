"""The EMR API as boto3 sees it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from infra.local.emr import InjectedFailures
from infra.local.emr.injected_failures import LaunchFailure
from infra.local.ministack import client
from lambdas.aws.clusters import EmrClusters
from lambdas.contract.cost.prices import INSTANCE_TYPES
from tests.local_emr.conftest import Cloud, Emr, shell_step, wait_until


def error_of(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_cluster_is_described_as_it_was_asked_for(instant_emr: Emr) -> None:
    cluster_id = instant_emr.launch(
        shell_step("true", name="featurize"),
        Name="fruits-run",
        Tags=[{"Key": "fruits:run_id", "Value": "apples-1"}],
        Applications=[{"Name": "Spark"}],
    )
    instant_emr.wait_until_ended(cluster_id)

    cluster = instant_emr.cluster(cluster_id)
    assert cluster["Id"] == cluster_id
    assert cluster["Name"] == "fruits-run"
    assert cluster["ClusterArn"].endswith(f":cluster/{cluster_id}")
    assert cluster["ReleaseLabel"] == "emr-7.12.0"
    assert cluster["AutoTerminate"] is True
    assert cluster["Tags"] == [{"Key": "fruits:run_id", "Value": "apples-1"}]
    timeline = cluster["Status"]["Timeline"]
    assert timeline["CreationDateTime"] <= timeline["ReadyDateTime"] <= timeline["EndDateTime"]


def test_the_machines_of_a_cluster_are_those_of_its_fleets_from_when_they_came_to_its_end(
    instant_emr: Emr,
) -> None:
    types = [{"InstanceType": "m5.xlarge"}, {"InstanceType": "m6i.xlarge"}]
    fleets = [
        {"InstanceFleetType": "MASTER", "TargetOnDemandCapacity": 1, "InstanceTypeConfigs": types},
        {"InstanceFleetType": "CORE", "TargetSpotCapacity": 2, "InstanceTypeConfigs": types},
    ]
    cluster_id = instant_emr.launch(Instances={"InstanceFleets": fleets})
    instant_emr.wait_until_ended(cluster_id)
    clusters = EmrClusters(launching=instant_emr.api, reading=instant_emr.api)
    used = clusters.instances(cluster_id, now=time.time() + 3600)
    assert [(machine.instance_type, machine.spot) for machine in used] == [
        ("m5.xlarge", False),
        ("m5.xlarge", True),
        ("m5.xlarge", True),
    ]
    timeline = instant_emr.cluster(cluster_id)["Status"]["Timeline"]
    asked, ready, ended = (timeline[f"{name}DateTime"].timestamp() for name in ("Creation", "Ready", "End"))
    assert all(asked <= machine.began_at <= ready for machine in used)
    assert [machine.began_at + machine.hours * 3600 for machine in used] == pytest.approx(
        [ended] * 3, abs=1e-3
    )


def test_the_machine_of_the_primary_has_an_address_while_it_runs(instant_emr: Emr) -> None:
    fleets = [
        {"InstanceFleetType": kind, "TargetOnDemandCapacity": 1,
         "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}]}
        for kind in ("CORE", "MASTER")
    ]  # fmt: skip
    cluster_id = instant_emr.launch(Instances={"InstanceFleets": fleets, "KeepJobFlowAliveWhenNoSteps": True})
    wait_until(lambda: instant_emr.state(cluster_id) == "WAITING")
    clusters = EmrClusters(launching=instant_emr.api, reading=instant_emr.api)
    assert clusters.primary_address(cluster_id) == "127.0.0.1"
    primary = instant_emr.api.list_instances(ClusterId=cluster_id, InstanceFleetType="MASTER")["Instances"]
    assert len(primary) == 1
    clusters.terminate(cluster_id)
    instant_emr.wait_until_ended(cluster_id)
    assert clusters.primary_address(cluster_id) is None


def test_the_types_on_offer_are_listed_page_by_page(instant_emr: Emr) -> None:
    pages = [instant_emr.api.list_supported_instance_types(ReleaseLabel="emr-7.12.0")]
    while marker := pages[-1].get("Marker"):
        following = instant_emr.api.list_supported_instance_types(ReleaseLabel="emr-7.12.0", Marker=marker)
        pages.append(following)
    assert len(pages) > 2
    assert [kind["Type"] for page in pages for kind in page["SupportedInstanceTypes"]] == sorted(
        INSTANCE_TYPES
    )
    with pytest.raises(ClientError) as refused:
        instant_emr.api.list_supported_instance_types(ReleaseLabel="emr-7.12.0", Marker="x")
    assert error_of(refused) == ("InvalidRequestException", "Marker 'x' is not valid.")


def test_one_type_that_is_not_offered_refuses_the_whole_request(
    connect: Callable[[InjectedFailures], Emr],
) -> None:
    emr = connect(InjectedFailures(types_not_offered=frozenset({"m6i.xlarge"})))
    types = [{"InstanceType": "m5.xlarge"}, {"InstanceType": "m6i.xlarge"}]
    fleet = {"InstanceFleetType": "MASTER", "TargetOnDemandCapacity": 1, "InstanceTypeConfigs": types}
    with pytest.raises(ClientError) as refused:
        emr.launch(Instances={"InstanceFleets": [fleet]})
    assert error_of(refused) == ("ValidationException", "Instance type 'm6i.xlarge' is not supported.")
    assert emr.api.list_clusters()["Clusters"] == []


def test_tags_can_be_added_and_removed(instant_emr: Emr) -> None:
    cluster_id = instant_emr.launch(Tags=[{"Key": "a", "Value": "1"}])
    instant_emr.api.add_tags(ResourceId=cluster_id, Tags=[{"Key": "b", "Value": "2"}])
    instant_emr.api.remove_tags(ResourceId=cluster_id, TagKeys=["a"])

    assert instant_emr.cluster(cluster_id)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_a_step_is_found_by_its_id(instant_emr: Emr) -> None:
    cluster_id = instant_emr.launch(shell_step("true", name="one"), shell_step("true", name="two"))
    step_id = instant_emr.steps(cluster_id)[1]["Id"]

    step = instant_emr.api.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]

    assert step["Name"] == "two"
    assert step["Config"]["Args"] == ["bash", "-c", "true"]


def test_more_than_a_page_of_clusters_is_listed_newest_first_and_once_each(instant_emr: Emr) -> None:
    launched = [instant_emr.launch() for _ in range(53)]

    first = instant_emr.api.list_clusters()
    pages = instant_emr.api.get_paginator("list_clusters").paginate()

    assert len(first["Clusters"]) == 50
    listed = [cluster["Id"] for page in pages for cluster in page["Clusters"]]
    assert listed[: len(launched)] == launched[::-1]
    assert len(listed) == len(set(listed))


def test_more_than_a_page_of_steps_is_listed_newest_first(instant_emr: Emr) -> None:
    cluster_id = instant_emr.launch(*(shell_step("true", name=str(number)) for number in range(53)))

    pages = instant_emr.api.get_paginator("list_steps").paginate(ClusterId=cluster_id)

    names = [step["Name"] for page in pages for step in page["Steps"]]
    assert names == [str(number) for number in reversed(range(53))]


def test_clusters_are_filtered_by_state_and_creation(instant_emr: Emr) -> None:
    before = datetime.now(UTC)
    ended = instant_emr.launch()
    waiting = instant_emr.launch(Instances={"KeepJobFlowAliveWhenNoSteps": True})
    instant_emr.wait_until_ended(ended)
    wait_until(lambda: instant_emr.state(waiting) == "WAITING")

    def ids(**filters: object) -> set[str]:
        listed = instant_emr.api.list_clusters(**filters)["Clusters"]
        return {cluster["Id"] for cluster in listed} & {ended, waiting}

    assert ids(ClusterStates=["WAITING"]) == {waiting}
    assert ids(CreatedAfter=before, ClusterStates=["TERMINATED"]) == {ended}
    assert ids(CreatedAfter=datetime.now(UTC) + timedelta(hours=1)) == set()


def test_an_unknown_cluster_is_named(instant_emr: Emr) -> None:
    with pytest.raises(ClientError) as raised:
        instant_emr.cluster("j-NOTTHERE")
    assert error_of(raised) == ("InvalidRequestException", "Cluster id 'j-NOTTHERE' is not valid.")


def test_an_unknown_instance_profile_is_refused_at_launch(instant_emr: Emr) -> None:
    with pytest.raises(ClientError) as raised:
        instant_emr.launch(JobFlowRole="nobody")
    assert error_of(raised) == ("ValidationException", "Invalid InstanceProfile: nobody.")


def test_an_operation_that_is_not_served_says_which_are(instant_emr: Emr) -> None:
    with pytest.raises(ClientError) as raised:
        instant_emr.api.list_studios()
    code, message = error_of(raised)
    assert code == "UnknownOperationException"
    assert "ListStudios is not served" in message
    assert "RunJobFlow" in message


def test_protected_clusters_are_not_terminated_until_protection_is_cleared(instant_emr: Emr) -> None:
    cluster_id = instant_emr.launch(
        Instances={"KeepJobFlowAliveWhenNoSteps": True, "TerminationProtected": True}
    )
    with pytest.raises(ClientError) as raised:
        instant_emr.api.terminate_job_flows(JobFlowIds=[cluster_id])
    assert error_of(raised)[1].endswith("since they are termination protected.")

    instant_emr.api.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=False)
    instant_emr.api.terminate_job_flows(JobFlowIds=[cluster_id])
    assert instant_emr.wait_until_ended(cluster_id) == "TERMINATED"
    assert instant_emr.reason(cluster_id)["Code"] == "USER_REQUEST"


def test_a_throttled_launch_may_or_may_not_have_made_a_cluster(connect: Callable[..., Emr]) -> None:
    script = (LaunchFailure.THROTTLED, LaunchFailure.THROTTLED_BUT_CREATED)
    emr = connect(InjectedFailures(launches=script, instant_steps=True))

    for expected in ([], ["fruits-run"]):
        with pytest.raises(ClientError, match="Rate exceeded"):
            emr.launch(Name="fruits-run")
        assert [cluster["Name"] for cluster in emr.api.list_clusters()["Clusters"]] == expected
    assert emr.launch(Name="third").startswith("j-")


def test_an_answer_can_be_lost_when_the_cluster_exists(connect: Callable[..., Emr]) -> None:
    emr = connect(InjectedFailures(launches=(LaunchFailure.ANSWER_LOST,), instant_steps=True))
    with pytest.raises((exceptions.ConnectionError, exceptions.HTTPClientError)):
        emr.launch(Name="fruits-run")
    assert [cluster["Name"] for cluster in emr.api.list_clusters()["Clusters"]] == ["fruits-run"]


@pytest.mark.skipif(sys.platform != "linux", reason="the caller is looked up in /proc")
@pytest.mark.parametrize(
    ("failure", "clusters"),
    [(LaunchFailure.CALLER_KILLED_BEFORE, []), (LaunchFailure.CALLER_KILLED_AFTER, ["fruits-run"])],
)
def test_the_calling_process_can_be_killed_in_the_middle_of_a_launch(
    failure: LaunchFailure, clusters: list[str], cloud: Cloud
) -> None:
    program = (
        "import os, boto3;"
        "boto3.client('emr', endpoint_url=os.environ['EMR']).run_job_flow("
        "Name='fruits-run', Instances={}, JobFlowRole='node')"
    )
    with cloud.endpoint(InjectedFailures(launches=(failure,), instant_steps=True)) as endpoint:
        environment = {**cloud.environment, "EMR": endpoint.url}
        caller = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
        assert caller.returncode == -signal.SIGKILL
        emr = client("emr", {**cloud.environment, "AWS_ENDPOINT_URL_EMR": endpoint.url})
        assert [cluster["Name"] for cluster in emr.list_clusters()["Clusters"]] == clusters


def test_a_security_configuration_is_kept_under_its_name_and_given_back(instant_emr: Emr) -> None:
    instant_emr.api.create_security_configuration(Name="locked", SecurityConfiguration='{"a": 1}')

    described = instant_emr.api.describe_security_configuration(Name="locked")
    assert described["SecurityConfiguration"] == '{"a": 1}'
    assert described["CreationDateTime"] <= datetime.now(UTC)
    cluster_id = instant_emr.launch(SecurityConfiguration="locked")
    assert instant_emr.cluster(cluster_id)["SecurityConfiguration"] == "locked"

    with pytest.raises(ClientError, match="'locked' already exists"):
        instant_emr.api.create_security_configuration(Name="locked", SecurityConfiguration="{}")


def test_a_security_configuration_must_be_a_json_object_and_exist_before_a_launch(instant_emr: Emr) -> None:
    for text in ("no JSON", "[]"):
        with pytest.raises(ClientError, match="not a valid JSON object"):
            instant_emr.api.create_security_configuration(Name="broken", SecurityConfiguration=text)
    with pytest.raises(ClientError, match="'broken' does not exist"):
        instant_emr.launch(SecurityConfiguration="broken")


def test_the_block_on_public_access_is_open_until_it_is_closed(connect: Callable[..., Emr]) -> None:
    emr = connect()

    def blocks() -> bool:
        answer = emr.api.get_block_public_access_configuration()
        return bool(answer["BlockPublicAccessConfiguration"]["BlockPublicSecurityGroupRules"])

    assert not blocks()
    emr.api.put_block_public_access_configuration(
        BlockPublicAccessConfiguration={"BlockPublicSecurityGroupRules": True}
    )
    assert blocks()
