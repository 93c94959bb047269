from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.config import ConfigInvalid, NodePackages, StackConfig, read_config, validate
from infra.program import REPOSITORY
from infra.settings import SETTINGS, document, read_settings
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


@pytest.mark.parametrize(
    ("key", "text", "fault"),
    [
        (
            "imageBuckets",
            "photos",
            "imageBuckets: 'photos' is not a list of texts; `pulumi config set --path",
        ),
        ("imageBuckets", "[1]", "imageBuckets: '[1]' is not a list of texts"),
        ("alarmEmails", '{"a": "b"}', "`pulumi config set --path 'alarmEmails[0]' <value>` adds one"),
        ("maxClusters", "2.5", "maxClusters: '2.5' is not a whole number"),
        ("maxClusters", "many", "maxClusters: 'many' is not a whole number"),
        ("maxEurPerDay", "nan", "maxEurPerDay: 'nan' is not a number"),
        ("launchesPerSecond", "1,5", "launchesPerSecond: '1,5' is not a number; write it as 0.5 or 100"),
        ("keepDataOnDestroy", "yes", "keepDataOnDestroy: 'yes' is neither true nor false"),
        ("dataBucketName", "", "dataBucketName: '' is empty; give a value"),
        (
            "maxCluster",
            "1",
            "maxCluster: is no setting; did you mean maxClusters? `pulumi config rm maxCluster`",
        ),
        ("zzz", "1", "zzz: is no setting; `pulumi config rm zzz` removes it"),
    ],
)
def test_a_text_that_is_no_setting_is_a_fault_with_its_remedy(key: str, text: str, fault: str) -> None:
    values, faults = read_settings({key: text, "maxClusters" if key != "maxClusters" else "adopt": "3"})
    assert key not in values
    assert len(values) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("maxEurPerDay", "0.5", 0.5),
        ("maxEurPerDay", "100", 100.0),
        ("launchesPerSecond", "2.25", 2.25),
        ("maxClusters", "0", 0),
        ("keepDataOnDestroy", "true", True),
        ("imageBuckets", '["a-bucket", "b-bucket"]', ("a-bucket", "b-bucket")),
        ("dataBucketName", "123", "123"),
    ],
)
def test_a_setting_is_read_from_the_text_that_pulumi_holds(key: str, text: str, value: object) -> None:
    assert read_settings({key: text}) == ({key: value}, [])


def test_faults_of_reading_and_of_values_are_told_together() -> None:
    values, faults = read_settings({"maxClusters": "many", "maxEurPerDay": "0"})
    with pytest.raises(ConfigInvalid) as raised:
        validate({"aws:region": "eu-west-1", **values}, stack="eu", locked_spark=SPARK, faults=faults)
    assert [fault.split(":")[0] for fault in raised.value.faults] == ["maxClusters", "maxEurPerDay"]


def project() -> dict[str, Any]:
    return dict(yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text()))


def test_no_setting_is_required_and_the_default_region_is_in_the_project_file() -> None:
    assert check() == validate(
        {"aws:region": project()["config"]["aws:region"]["value"]}, stack="eu", locked_spark=SPARK
    )


def test_the_project_file_declares_no_setting_that_a_stack_would_have_to_give() -> None:
    # Pulumi requires whatever is declared without a default, and knows no number with decimals.
    assert set(project()["config"]) == {"aws:region"}


def test_every_setting_is_described_where_a_person_looks() -> None:
    told = (REPOSITORY / "docs" / "settings.md").read_text()
    assert told == document(), "run: .venv/bin/python -m infra.settings > docs/settings.md"


def test_every_setting_reaches_the_configuration() -> None:
    given = {
        "dataBucketName": "a-bucket",
        "adopt": "a-bucket",
        "imageBuckets": ("b-bucket",),
        "nodePackages": "preinstalled",
        "logRetentionDays": 7,
        "auditRetentionDays": 8,
        "dataRetentionDays": 9,
        "notificationEmail": "a@example.org",
        "alarmEmails": ("b@example.org",),
        "keepDataOnDestroy": True,
        "maxClusters": 3,
        "maxEurPerDay": 0.5,
        "launchesPerSecond": 0.25,
        "gravitonSpeed": 1.25,
        "workbenchCidrs": ("203.0.113.0/24",),
        "emulatorEndpoint": "http://localhost:1",
        "emulatorEmrEndpoint": "http://localhost:2",
    }
    # Of releases, only the default fits the lock file.
    assert {*given, "releaseLabel"} == {setting.key for setting in SETTINGS}
    plain = validate({"aws:region": "eu-west-1"}, stack="local", locked_spark=SPARK)
    needed = {"emulatorEmrEndpoint": "emulatorEndpoint", "adopt": "keepDataOnDestroy"}
    for key, value in given.items():
        beside = {needed[key]: given[needed[key]]} if key in needed else {}
        values = {"aws:region": "eu-west-1", **beside}
        without = validate(values, stack="local", locked_spark=SPARK) if beside else plain
        assert validate({**values, key: value}, stack="local", locked_spark=SPARK) != without, key


def test_two_names_for_one_bucket_are_refused() -> None:
    told = faults_of(dataBucketName="a-bucket", adopt="b-bucket", keepDataOnDestroy=True)
    assert "dataBucketName: 'a-bucket' is another bucket than 'b-bucket', which adopt takes over" in told


def test_data_that_was_kept_is_not_taken_over_to_be_deleted() -> None:
    assert "`pulumi config set fruits:keepDataOnDestroy true`, or remove adopt" in faults_of(adopt="a-bucket")


@pytest.mark.parametrize(
    "name",
    ["a..b", "192.168.0.1", "xn--photos", "photos-s3alias", "photos--ol-s3", "-a", "a" * 64, "A-bucket"],
)
def test_a_name_that_s3_would_refuse_is_refused(name: str) -> None:
    assert f"dataBucketName: {name!r} is not a bucket name" in faults_of(dataBucketName=name)


@pytest.mark.parametrize("name", ["photos.example.org", "10-photos", "a.b", "abc", "a" * 63])
def test_a_name_that_s3_takes_is_taken(name: str) -> None:
    assert check(dataBucketName=name).data_bucket_name == name


@pytest.mark.parametrize("key", ["auditRetentionDays", "dataRetentionDays"])
@pytest.mark.parametrize("days", [0, -1, 36_501, 10**11])
def test_days_that_s3_would_refuse_are_refused(key: str, days: int) -> None:
    assert f"{key}: {days} days cannot be kept; give 1 to 36500" in faults_of(**{key: days})
    assert check(**{key: 36_500})


def test_an_address_that_is_there_twice_is_refused() -> None:
    assert "alarmEmails: 'a@b.c' is there twice; remove one" in faults_of(alarmEmails=["a@b.c", "a@b.c"])


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("fruit:maxClusters", "did you mean fruits:maxClusters? `pulumi config rm fruit:maxClusters`"),
        ("aws:regoin", "has no effect; of aws: this stack takes the region alone"),
        ("aws:profile", "and all else (AWS_PROFILE and other credentials) from the shell"),
        ("other:thing", "is no setting; settings begin with fruits: `pulumi config rm other:thing`"),
    ],
)
def test_a_key_that_would_be_without_effect_is_a_fault(key: str, fault: str) -> None:
    given = {"aws:region": "eu-west-1", "pulumi:tags": "{}", "fruits:maxClusters": "3", key: "x"}
    with pytest.raises(ConfigInvalid) as raised:
        read_config(given, project="fruits", stack="eu", locked_spark=SPARK)
    (told,) = raised.value.faults
    assert told.startswith(f"{key}: ")
    assert fault in told


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
        check(maxClusters=-1, maxEurPerDay=0.0, launchesPerSecond=-0.5, gravitonSpeed=0.0)
    assert [fault.split(":")[0] for fault in invalid.value.faults] == [
        "maxClusters",
        "maxEurPerDay",
        "launchesPerSecond",
        "gravitonSpeed",
    ]
    assert check(maxClusters=0).caps.max_clusters == 0
