from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.config import ConfigInvalid, NodePackages, StackConfig, validate
from infra.program import LOCK_FILE, REPOSITORY
from infra.releases import locked_spark_version
from lambdas.contract.regions import EU_REGIONS, REFUSED

SPARK = "3.5.6"


def check(**values: Any) -> StackConfig:
    return validate({"aws:region": "eu-west-1", **values}, stack="eu", locked_spark=SPARK)


def faults_of(**values: Any) -> str:
    with pytest.raises(ConfigInvalid) as raised:
        check(**values)
    return "\n".join(raised.value.faults)


@pytest.mark.parametrize("region", EU_REGIONS)
def test_every_region_in_the_eu_is_accepted(region: str) -> None:
    assert validate({"aws:region": region}, stack="eu", locked_spark=SPARK).region == region


@pytest.mark.parametrize("region", [*REFUSED, "us-east-1", "eu-west-9", "EU-WEST-1", "eu"])
def test_every_other_region_is_refused_with_the_list_of_allowed_ones(region: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        validate({"aws:region": region}, stack="eu", locked_spark=SPARK)
    message = str(raised.value)
    assert repr(region) in message
    assert all(allowed in message for allowed in EU_REGIONS)


def test_london_is_refused_for_what_it_is_and_paris_is_named() -> None:
    with pytest.raises(ConfigInvalid, match=r"London.*left the EU.*Paris is eu-west-3"):
        validate({"aws:region": "eu-west-2"}, stack="eu", locked_spark=SPARK)


def test_the_sovereign_cloud_is_refused_as_untried_and_not_as_foreign() -> None:
    with pytest.raises(ConfigInvalid, match=r"in the EU, but .* host names .* ever tried"):
        validate({"aws:region": "eusc-de-east-1"}, stack="eu", locked_spark=SPARK)


def test_a_missing_region_names_the_command_that_sets_it() -> None:
    with pytest.raises(ConfigInvalid, match="pulumi config set aws:region"):
        validate({}, stack="eu", locked_spark=SPARK)


@given(st.text(max_size=20).filter(lambda text: text not in EU_REGIONS))
def test_no_text_that_is_not_on_the_list_passes_for_a_region(region: str) -> None:
    with pytest.raises(ConfigInvalid):
        validate({"aws:region": region}, stack="eu", locked_spark=SPARK)


def test_all_faults_are_told_at_once() -> None:
    text = faults_of(
        dataBucketName="s3://Photos",
        imageBuckets=["ok-bucket", "No_Bucket"],
        releaseLabel="emr-6.15.0",
        dataRetentionDays=0,
        nodePackages="docker",
        logRetentionDays=31,
        notificationEmail="me",
        alarmEmails=["you@example.org", "them"],
    )
    for part in (
        "dataBucketName: 's3://Photos' is not a bucket name",
        "imageBuckets: 'No_Bucket' is not a bucket name",
        "releaseLabel: 'emr-6.15.0' has Python 3.7, and the nodes' packages are built for 3.11",
        "dataRetentionDays: 0 days cannot be kept",
        "nodePackages: 'docker' is neither 'wheelhouse' nor 'preinstalled'",
        "logRetentionDays: CloudWatch Logs does not offer 31 days; the nearest is 30",
        "notificationEmail: 'me' is not an e-mail address",
        "alarmEmails: 'them' is not an e-mail address",
    ):
        assert part in text
    assert "ok-bucket" not in text


def test_a_text_where_a_list_belongs_says_how_to_set_a_list() -> None:
    assert "pulumi config set --path 'imageBuckets[0]'" in faults_of(imageBuckets="photos")


def test_a_release_with_another_spark_than_the_lock_file_is_refused() -> None:
    text = faults_of(releaseLabel="emr-7.10.0")
    assert "has Spark 3.5.5" in text
    assert "requirements.lock has pyspark 3.5.6; choose emr-7.12.0" in text


def test_a_release_without_the_interpreter_of_the_wheels_is_refused() -> None:
    text = faults_of(releaseLabel="emr-6.15.0")
    assert "has Python 3.7, and the nodes' packages are built for 3.11; choose emr-7.12.0" in text


def test_an_unknown_release_is_refused_with_one_that_fits() -> None:
    text = faults_of(releaseLabel="emr-7.99.0")
    assert "'emr-7.99.0' is not a release that is known here" in text
    assert "choose emr-7.12.0, or lock the release's version" in text


def test_a_lock_file_that_fits_no_known_release_says_what_to_lock() -> None:
    with pytest.raises(ConfigInvalid, match="lock the Spark of a known release"):
        validate({"aws:region": "eu-west-1"}, stack="eu", locked_spark="4.9.9")


def test_the_default_release_has_the_spark_of_the_lock_file() -> None:
    config = validate(
        {"aws:region": "eu-west-1"}, stack="eu", locked_spark=locked_spark_version(LOCK_FILE.read_text())
    )
    assert config == StackConfig(region="eu-west-1")


def test_a_lock_file_without_pyspark_says_so() -> None:
    with pytest.raises(ValueError, match="pins no pyspark"):
        locked_spark_version("boto3==1.0\n")


def project() -> dict[str, Any]:
    return dict(yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text()))


def test_pulumi_yaml_describes_every_key_with_the_default_of_the_code() -> None:
    described = {key.removeprefix("fruits:"): value for key, value in project()["config"].items()}
    assert all(value["description"] for value in described.values())
    given_defaults = {key: value["default"] for key, value in described.items() if "default" in value}
    assert check(**given_defaults) == check()
    assert set(given_defaults) == {
        "alarmEmails",
        "imageBuckets",
        "releaseLabel",
        "nodePackages",
        "logRetentionDays",
        "auditRetentionDays",
        "keepDataOnDestroy",
        "maxClusters",
        "maxEurPerDay",
        "launchesPerSecond",
    }


def test_the_eu_stack_is_in_ireland_and_asks_to_keep_its_data() -> None:
    given = yaml.safe_load((REPOSITORY / "Pulumi.eu.yaml").read_text())["config"]
    values = {key.removeprefix("fruits:"): value for key, value in given.items()}
    config = validate(values, stack="eu", locked_spark=SPARK)
    assert (config.region, config.keep_data_on_destroy) == ("eu-west-1", True)
    assert not check().keep_data_on_destroy


def test_nodes_install_from_the_wheelhouse_unless_told_otherwise() -> None:
    assert check().node_packages is NodePackages.WHEELHOUSE
    assert check(nodePackages="preinstalled").node_packages is NodePackages.PREINSTALLED


def test_the_program_folder_of_pulumi_yaml_holds_a_main() -> None:
    assert (REPOSITORY / Path(project()["main"]) / "__main__.py").is_file()


def test_caps_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigInvalid) as invalid:
        check(maxClusters=-1, maxEurPerDay=0.0, launchesPerSecond=-0.5)
    assert [fault.split(":")[0] for fault in invalid.value.faults] == [
        "maxClusters",
        "maxEurPerDay",
        "launchesPerSecond",
    ]
    assert check(maxClusters=0).limits.max_clusters == 0
