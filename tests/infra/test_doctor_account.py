"""What doctor says of the AWS account and its region."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from infra.doctor import account
from infra.doctor.account import ENDPOINT_SERVICES, Region
from infra.doctor.finding import Finding, Status
from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.contract.regions import allowed_regions
from tests.infra.answers import Answers, aws_error
from tests.infra.conftest import RecordingProvider


def said(findings: list[Finding]) -> tuple[Status, str, str | None]:
    (finding,) = findings
    return finding.status, finding.text, finding.remedy


def test_who_asks_is_said() -> None:
    caller = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ada"}
    assert said(account.identity(Answers(get_caller_identity=caller))) == (
        Status.OK,
        "account 123456789012, as arn:aws:iam::123456789012:user/ada",
        None,
    )


@pytest.mark.parametrize(
    ("found", "text", "remedy"),
    [
        (
            Region(None, "", None),
            "no region is set, neither in the selected stack nor for the AWS credentials",
            f"`pulumi config set aws:region <region>` with one of: {allowed_regions()}",
        ),
        (
            Region("eu-west-2", "the selected Pulumi stack", None),
            "region 'eu-west-2' is London, and the United Kingdom left the EU in 2020 (Paris is eu-west-3) "
            "(the selected Pulumi stack)",
            f"choose one of: {allowed_regions()}",
        ),
        (
            Region("eu-south-1", "the selected Pulumi stack", "not-opted-in"),
            "eu-south-1 (Milan) is not switched on for this account (not-opted-in)",
            "`aws account enable-region --region-name eu-south-1`, then wait: minutes to hours",
        ),
        (
            Region("eu-south-2", "the selected Pulumi stack", None),
            "eu-south-2 (Spain) is not switched on for this account (EC2 does not know it)",
            "`aws account enable-region --region-name eu-south-2`, then wait: minutes to hours",
        ),
    ],
)
def test_a_region_that_cannot_be_used_is_a_fault(found: Region, text: str, remedy: str) -> None:
    assert said(account.region(found)) == (Status.FAULT, text, remedy)


@pytest.mark.parametrize("opt_in", ["opted-in", "opt-in-not-required"])
def test_a_region_that_is_on_is_ok(opt_in: str) -> None:
    found = account.read_region(
        "eu-south-1", "me", Answers(describe_regions={"Regions": [{"OptInStatus": opt_in}]})
    )
    assert said(account.region(found)) == (Status.OK, "eu-south-1 (Milan), by me", None)


def test_a_region_that_ec2_does_not_list_is_not_taken_for_on() -> None:
    found = account.read_region("eu-south-1", "me", Answers(describe_regions={"Regions": []}))
    assert found.opt_in is None


def test_aws_is_not_asked_about_a_region_that_is_not_allowed() -> None:
    assert account.read_region("us-east-1", "me", Answers()).opt_in is None


def test_a_missing_role_of_emr_is_a_fault_and_of_spot_a_warning() -> None:
    client = Answers(list_roles={"Roles": []})
    has = account.read_service_linked(client)
    assert client.asked[0] == (
        "list_roles",
        {"PathPrefix": "/aws-service-role/elasticmapreduce.amazonaws.com/"},
    )
    emr, spot = account.service_linked(has)
    assert emr == Finding(
        Status.FAULT,
        "there is no service-linked role of elasticmapreduce.amazonaws.com: EMR cleans up after clusters by "
        "it; the launcher may not make it",
        "`aws iam create-service-linked-role --aws-service-name elasticmapreduce.amazonaws.com`",
    )
    assert spot == Finding(
        Status.WARNING,
        'there is no service-linked role of spot.amazonaws.com: runs with market "spot" need it',
        "`aws iam create-service-linked-role --aws-service-name spot.amazonaws.com`",
    )


def test_roles_that_are_there_are_ok() -> None:
    has = account.read_service_linked(Answers(list_roles={"Roles": [{}]}))
    assert said(account.service_linked(has))[0] is Status.OK


def test_a_quota_below_the_default_cluster_is_a_fault() -> None:
    assert account.default_cluster_vcpus() == 12
    client = Answers(get_service_quota={"Quota": {"Value": 5.0}})
    assert said(account.quota(account.read_vcpus(client), 12)) == (
        Status.FAULT,
        "5 vCPUs may run on demand, and the default cluster needs 12",
        "`aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-1216C47A "
        "--desired-value 12` (or more), then wait for AWS",
    )
    assert said(account.quota(12.0, 12))[0] is Status.OK


def test_an_account_without_a_quota_of_its_own_has_the_default() -> None:
    client = Answers(
        get_service_quota=aws_error("NoSuchResourceException"),
        get_aws_default_service_quota={"Quota": {"Value": 5.0}},
    )
    assert account.read_vcpus(client) == 5.0
    with pytest.raises(ClientError):
        account.read_vcpus(Answers(get_service_quota=aws_error("AccessDeniedException")))


def test_a_release_with_another_spark_than_the_lock_is_a_fault() -> None:
    applications = [{"Name": "Hadoop", "Version": "3.4"}, {"Name": "Spark", "Version": "3.5.5-amzn-1"}]
    client = Answers(describe_release_label={"Applications": applications})
    assert said(account.emr_release(client, "emr-7.10.0", "3.5.6")) == (
        Status.FAULT,
        "emr-7.10.0 has Spark 3.5.5, and requirements.lock has pyspark 3.5.6",
        "set fruits:releaseLabel to a release with that Spark, or lock the release's version",
    )
    assert said(account.emr_release(client, "emr-7.10.0", "3.5.5"))[0] is Status.OK


def test_a_release_without_spark_is_a_fault() -> None:
    assert said(account.emr_release(Answers(describe_release_label={}), "emr-7.10.0", "3.5.6"))[1] == (
        "emr-7.10.0 has Spark None, and requirements.lock has pyspark 3.5.6"
    )


def test_a_release_that_the_region_does_not_know_is_a_fault() -> None:
    client = Answers(describe_release_label=aws_error("InvalidRequestException"))
    assert said(account.emr_release(client, "emr-9.9.9", "3.5.6")) == (
        Status.FAULT,
        "EMR does not know the release emr-9.9.9 in this region",
        "set fruits:releaseLabel to one that it has: `aws emr list-release-labels`",
    )


def test_instance_types_are_looked_for_on_every_page() -> None:
    pages = [
        {"SupportedInstanceTypes": [{"Type": "m5.xlarge"}], "Marker": "next"},
        {"SupportedInstanceTypes": [{"Type": "c5.xlarge"}]},
    ]
    client = Answers(list_supported_instance_types=pages)
    assert account.read_instance_types(client, "emr-7.12.0") == {"m5.xlarge", "c5.xlarge"}
    assert client.asked[1][1] == {"ReleaseLabel": "emr-7.12.0", "Marker": "next"}


def test_a_default_type_that_emr_does_not_offer_is_a_fault() -> None:
    assert said(account.instance_types({"m6i.xlarge"}, ["m5.xlarge"])) == (
        Status.FAULT,
        "EMR does not offer m5.xlarge in this region, which the default cluster asks for",
        "name others in every manifest (cluster.instance_types), or choose another region",
    )


def test_types_that_manifests_may_name_and_cannot_have_here_are_named() -> None:
    assert said(account.instance_types(INSTANCE_TYPES, ["m5.xlarge"]))[1] == "m5.xlarge on offer"
    offered = INSTANCE_TYPES.keys() - {"m6a.xlarge"}
    assert said(account.instance_types(offered, ["m5.xlarge"]))[1] == (
        "m5.xlarge on offer; manifests cannot have m6a.xlarge here"
    )


def test_an_endpoint_service_that_the_region_lacks_is_a_fault() -> None:
    names = [f"com.amazonaws.eu-west-3.{service}" for service in ENDPOINT_SERVICES]
    client = Answers(describe_vpc_endpoint_services={"ServiceNames": names[1:]})
    offered = account.read_endpoint_services(client, "eu-west-3")
    assert client.asked[0][1] == {"Filters": [{"Name": "service-name", "Values": names}]}
    assert said(account.endpoint_services(offered)) == (
        Status.FAULT,
        f"this region offers no endpoint service {names[0]}",
        "choose another region: the private network needs all of them",
    )
    assert said(account.endpoint_services(dict.fromkeys(names, True)))[0] is Status.OK


def test_the_endpoint_services_are_those_that_the_program_asks_for(declared: RecordingProvider) -> None:
    asked = {endpoint["serviceName"] for endpoint in declared.all_of("VpcEndpoint")}
    assert asked == {f"com.amazonaws.eu-west-1.{service}" for service in ENDPOINT_SERVICES}


def test_public_clusters_are_a_warning_before_and_a_fault_after_a_deployment() -> None:
    open_ = {"BlockPublicAccessConfiguration": {"BlockPublicSecurityGroupRules": False}}
    blocked = account.read_block_public_access(Answers(get_block_public_access_configuration=open_))
    assert said(account.block_public_access(blocked=blocked, deployed=False)) == (
        Status.WARNING,
        "EMR does not refuse clusters with public ports yet",
        "nothing: `pulumi up` switches it on, for the whole account in this region",
    )
    assert said(account.block_public_access(blocked=blocked, deployed=True)) == (
        Status.FAULT,
        "somebody switched EMR's block on public access off, for the whole account in this region",
        "`pulumi up --refresh` switches it on again",
    )
    assert said(account.block_public_access(blocked=True, deployed=True))[0] is Status.OK
