"""docs/deploy.md, typed from its first line to its last by a person with a local cloud for AWS.

The tests of this module are the chapters of one story: each goes on where the one before it ended.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.artifacts import read_model
from infra.local.demo import package
from infra.local.sample_images import write_sample_images
from infra.program import BUILD, REPOSITORY
from lambdas.contract.layout import ARTIFACTS
from tests.engine.conftest import LocalAws
from tests.engine.person import Person

DOCUMENT = (REPOSITORY / "docs" / "deploy.md").read_text()
INIT = "pulumi stack init eu\n"
# The nodes of the local cloud are this machine: they have every package, and shall install none.
HERE = "pulumi config set fruits:nodePackages preinstalled\n"
# What a person reads off the screen: the newest run, as soon as there is one.
LISTED = """fruits runs --json --limit 1 | grep -o '"run_id": "[^"]*"' | cut -d '"' -f 4 | grep ."""
RUN_ID = f"$(until {LISTED}; do sleep 0.5; done)"


def chapters() -> dict[str, list[str]]:
    """The shell blocks of the document by the heading that they stand under."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^##+ ", DOCUMENT, flags=re.MULTILINE):
        if blocks := re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE):
            found[part.splitlines()[0]] = blocks
    return found


class Story:
    """The person, and what AWS has by now."""

    def __init__(self, person: Person, aws: LocalAws) -> None:
        self.person = person
        self.aws = aws
        self.weights = BUILD / "model" / read_model(BUILD / "model").weights_file
        self.bucket = ""
        self.read: list[str] = []

    def follows(self, chapter: str, **blanks: str) -> str:
        """Type the blocks of a chapter, with what a person puts where the document has ``<name>``."""
        self.read.append(chapter)
        lines = "\n".join(chapters()[chapter]).replace("path/to/weights.h5", str(self.weights))
        for name, value in blanks.items():
            assert f"<{name}>" in lines
            lines = lines.replace(f"<{name}>", value)
        return self.person.types(lines.replace(INIT, INIT + HERE))

    def buckets(self) -> set[str]:
        return {bucket["Name"] for bucket in self.aws.client("s3").list_buckets()["Buckets"]}

    def tables(self) -> list[str]:
        names: list[str] = self.aws.client("dynamodb").list_tables()["TableNames"]
        return names

    def keys(self) -> list[str]:
        """What the keys are for that are not on their way out."""
        kms = self.aws.client("kms")
        every = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
        return sorted(key["Description"] for key in every if key["KeyState"] == "Enabled")

    def passing(self) -> dict[str, list[Any]]:
        """What may never outlive a stack, by kind."""
        ours = self.aws.client
        vpcs = ours("ec2").describe_vpcs()["Vpcs"]
        return {
            "functions": ours("lambda").list_functions()["Functions"],
            "aliases": [a for a in ours("kms").list_aliases()["Aliases"] if "fruits" in a["AliasName"]],
            "log groups": ours("logs").describe_log_groups()["logGroups"],
            "networks": [vpc["VpcId"] for vpc in vpcs if not vpc["IsDefault"]],
            "roles": [
                role["RoleName"]
                for role in ours("iam").list_roles()["Roles"]
                if not role["Path"].startswith("/aws-service-role/")
            ],
            "alarms": ours("cloudwatch").describe_alarms()["MetricAlarms"],
            "dashboards": ours("cloudwatch").list_dashboards()["DashboardEntries"],
            "rules": ours("events").list_rules()["Rules"],
            "topics": ours("sns").list_topics()["Topics"],
            "queues": ours("sqs").list_queues().get("QueueUrls", []),
            "trails": ours("cloudtrail").describe_trails()["trailList"],
        }


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    assert INIT in DOCUMENT
    package(os.environ.get("WEIGHTS"))
    aws = LocalAws(tmp_path_factory.mktemp("aws"))
    person = Person(tmp_path_factory.mktemp("person"), aws.environment)
    try:
        aws.start()
        yield Story(person, aws)
    finally:
        person.leaves()
        aws.stop()


def test_everything_is_there_before_the_first_deployment(story: Story) -> None:
    told = story.follows("Before the first deployment")
    assert told.count("AWSServiceRoleFor") >= 2


def test_the_first_deployment(story: Story) -> None:
    story.follows("First deployment")
    story.bucket = story.person.types("echo $FRUITS_DATA_BUCKET").strip()
    assert story.bucket in story.buckets()
    assert len(story.tables()) == 1
    assert all(story.passing().values())


def test_an_interrupted_up_is_taken_up_again(story: Story) -> None:
    told = story.follows("When `pulumi up` was interrupted")
    assert re.search(r"Resources:\n +\d+ unchanged\n", told)


def test_the_photos_get_into_the_bucket(story: Story) -> None:
    for seed, part in enumerate(("Training", "Test")):
        write_sample_images(story.person.folder / "fruits-360" / part, seed)
    assert story.follows("Fruits-360 into the bucket").count("upload:") == 2 * 122


def test_the_first_run_completes(story: Story) -> None:
    told = story.follows("First run", run_id=RUN_ID)
    assert "images   244 in 16 shards" in told
    assert re.search(r"COMPLETED\n *images +244 in, 240 with features, 4 in quarantine\n", told)


def test_an_upgrade_changes_the_code_and_leaves_what_clusters_still_read(story: Story) -> None:
    def jobs() -> set[str]:
        listed = story.aws.client("s3").list_objects_v2(Bucket=story.bucket, Prefix=f"{ARTIFACTS}job-")
        return {one["Key"] for one in listed["Contents"]}

    # What a new version brings.
    story.person.has(
        "git", ["sh", "-c", "for file in spark lambdas; do echo '# newer' >> $file/__init__.py; done"]
    )
    before = jobs()
    told = story.follows("Upgrading")
    assert "build/job.zip  0.09 MB  built" in told
    assert "build/step.py  0.00 MB  unchanged" in told
    assert before < jobs()


def test_destroying_keeps_the_data_and_nothing_else(story: Story) -> None:
    before = story.buckets()
    story.follows("Destroying")
    assert story.buckets() == before
    assert len(before) == 3
    assert len(story.tables()) == 1
    assert len(story.keys()) == 3
    assert not any(story.passing().values()), story.passing()


def test_a_later_stack_takes_over_what_was_kept(story: Story) -> None:
    before = story.buckets(), story.tables(), story.keys()
    story.follows("Taking over what was kept", **{"data bucket": story.bucket})
    assert (story.buckets(), story.tables()) == before[:2]
    told = story.person.types('eval "$(pulumi stack output shell)"\nfruits runs')
    assert "COMPLETED" in told


def test_leaving_nothing_behind(story: Story) -> None:
    story.follows("Leaving nothing behind")
    assert not story.buckets()
    assert not story.tables()
    assert not story.keys()
    assert not any(story.passing().values()), story.passing()


def test_no_block_of_the_document_was_left_out(story: Story) -> None:
    assert story.read == list(chapters())
