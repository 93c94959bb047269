"""A person starts `make local` in one terminal, and types docs/deploy.md from its first line to its last in
another.

The tests of this module are the chapters of one story: each goes on where the one before it ended.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.components.artifacts import read_model
from infra.local.cloud import SERVICE_LINKED, FolderInUseError, LocalCloud
from infra.local.emr.node import Node
from infra.local.ministack import client
from infra.local.sample_images import write_sample_images
from infra.program import REPOSITORY
from lambdas.contract.layout import ARTIFACTS, RunLayout
from tests.artifacts import built, weights
from tests.engine.conftest import IN_ONE_GO
from tests.engine.kept_cloud import KeptCloud, comes_up
from tests.engine.left_behind import resources_of
from tests.engine.person import Person
from tests.infra.test_cloud import keep_running
from tests.infra.test_ministack import has_ended

pytestmark = pytest.mark.slow
PROGRAMS = Path(sys.prefix) / "bin"
DOCUMENT = (REPOSITORY / "docs" / "deploy.md").read_text()
INIT = "pulumi stack init eu\n"
# The nodes of the local cloud are this machine: they have every package, and shall install none.
HERE = "pulumi config set fruits:nodePackages preinstalled\n"
# `doctor` answers for the cloud's own stack while the shell knows that; the certificate is for AWS alone.
NEITHER = "unset SSL_CERT_FILE ${!FRUITS_*}"
# What a person reads off the screen: the newest run, as soon as there is one.
LISTED = (
    """fruits runs --json --limit 1 | grep -o '"run_id": "fruits-360-[^"]*"' | cut -d '"' -f 4 | grep ."""
)
RUN_ID = f"$(until {LISTED}; do sleep 0.5; done)"
# How much of what outlives a `pulumi destroy`, as the document says.
KEPT = {"bucket": 3, "key": 3, "table": 1}
NAMED = ("bucket", "table")


def chapters() -> dict[str, list[str]]:
    """The shell blocks of the document by the heading that they stand under."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^##+ ", DOCUMENT, flags=re.MULTILINE):
        if blocks := re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE):
            found[part.splitlines()[0]] = blocks
    return found


class Story:
    """The person, and what AWS has by now."""

    def __init__(self, person: Person, cloud: KeptCloud) -> None:
        self.person = person
        self.cloud = cloud
        self.names = cloud.names()
        self.beside = cloud.its_stack()
        model = built() / "model"
        self.weights = weights() or model / read_model(model).weights_file
        self.bucket = ""
        self.read: list[str] = []

    def follows(self, chapter: str, says_no: str = "", **blanks: str) -> str:
        """Type the blocks of a chapter, with what a person puts where the document has ``<name>``.

        ``says_no`` is a command whose answer, at this place, is an exit code other than 0.
        """
        self.read.append(chapter)
        lines = "\n".join(chapters()[chapter]).replace("path/to/weights.h5", str(self.weights))
        for name, value in blanks.items():
            assert f"<{name}>" in lines
            lines = lines.replace(f"<{name}>", value)
        if says_no:
            lines = re.sub(rf"^{says_no}", f"! {says_no}", lines, flags=re.MULTILINE)
        return self.person.types(lines.replace(INIT, INIT + HERE))

    def settings_of_the_launcher(self) -> dict[str, str]:
        """Its environment."""
        name = self.person.types("pulumi stack output launcher_function").strip()
        told = self.cloud.client("lambda").get_function_configuration(FunctionName=name)
        return dict(told["Environment"]["Variables"])

    def account_has_never_used(self, service: str) -> None:
        """Its owner has not made that service's role."""
        iam = self.cloud.client("iam")
        (role,) = iam.list_roles(PathPrefix=f"/aws-service-role/{service}/")["Roles"]
        iam.delete_service_linked_role(RoleName=role["RoleName"])

    def resources(self) -> dict[str, list[str]]:
        """What AWS has of the stack, by kind."""
        return resources_of(self.cloud.client, "eu")


@pytest.fixture(scope="module")
def kept(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptCloud]:
    folder = tmp_path_factory.mktemp("kept")
    with keep_running(folder, build) as process:
        yield comes_up(process, folder)


@pytest.fixture(scope="module")
def story(kept: KeptCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    assert INIT in DOCUMENT
    person = Person(
        tmp_path_factory.mktemp("person"), {"PULUMI_BACKEND_URL": "https://somewhere.invalid", **IN_ONE_GO}
    )
    try:
        person.types(f"{kept.line('source ')}\n{NEITHER}")
        yield Story(person, kept)
    finally:
        person.leaves()


def test_what_a_local_cloud_prints_works_in_a_shell(kept: KeptCloud, build: Path) -> None:
    source, upload, clusters, runs = map(
        kept.line, ("source ", "manifest.json", "emr list-clusters", "fruits runs")
    )
    script = f"set -eu; export AWS_PROFILE=production; {source}; {upload}; {clusters}; {runs}"
    done = subprocess.run(
        ["bash", "-c", script.replace(".venv/bin/", f"{PROGRAMS}/")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "upload:" in done.stdout
    assert "No runs yet" in done.stdout
    assert json.loads((kept.folder / "manifest.json").read_text())["version"] == 1
    with pytest.raises(FolderInUseError, match=r"already runs in .*, or use it: `source .*/env\.sh`"):
        LocalCloud(kept.folder, build=build)


def test_what_it_prints_of_a_second_stack_stands_in_the_documents(kept: KeptCloud) -> None:
    typed = [line for line in kept.told if line.startswith("pulumi ")]
    assert [line.split()[1] for line in typed] == ["stack", "config", "up"]
    document = (REPOSITORY / "docs" / "operations.md").read_text()
    assert all(f"\n{line}" in document for line in typed)
    # What the deploy document has of it, and what a cloud needs whose nodes are this machine.
    assert [typed[0].rsplit(" ", 1)[0], typed[1], typed[2]] == [
        INIT.split(" eu")[0],
        HERE.strip(),
        "pulumi up",
    ]


def test_before_the_first_deployment_only_the_packages_are_missing(story: Story) -> None:
    for service in SERVICE_LINKED:
        story.account_has_never_used(service)
    told = story.follows("Before the first deployment", says_no="fruits doctor")
    assert told.count("AWSServiceRoleFor") >= 2
    assert {line.split()[1] for line in told.splitlines() if " FAULT " in line} == {"code"}


def test_the_first_deployment_is_as_the_doctor_wants_it_and_runs(story: Story) -> None:
    told = story.follows("First deployment")
    ran = r" ok +run +run doctor-\S+ COMPLETED in \d+ s: 120 images featurized, 2 broken ones in quarantine"
    assert re.search(ran, told)
    story.bucket = story.person.types("echo $FRUITS_DATA_BUCKET").strip()
    assert story.bucket in story.resources()["bucket"]


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
        listed = story.cloud.client("s3").list_objects_v2(Bucket=story.bucket, Prefix=f"{ARTIFACTS}job-")
        return {one["Key"] for one in listed["Contents"]}

    # What a new version brings.
    story.person.has(
        "git", ["sh", "-c", "for file in spark lambdas; do echo '# newer' >> $file/__init__.py; done"]
    )
    before = jobs()
    told = story.follows("Upgrading")
    assert re.search(r"build/job\.zip +\S+ MB +built", told)
    assert re.search(r"build/step\.py +\S+ MB +unchanged", told)
    assert before < jobs()


def test_destroying_keeps_the_data_and_nothing_else(story: Story) -> None:
    before = story.resources()
    assert len(before) > len(KEPT)
    story.follows("Destroying")
    left = story.resources()
    assert {kind: len(names) for kind, names in left.items()} == KEPT
    assert {kind: left[kind] for kind in NAMED} == {kind: before[kind] for kind in NAMED}


def test_a_later_stack_takes_over_what_was_kept(story: Story) -> None:
    kept = story.resources()
    story.follows("Taking over what was kept", **{"data bucket": story.bucket})
    now = story.resources()
    assert {kind: now[kind] for kind in NAMED} == {kind: kept[kind] for kind in NAMED}
    told = story.person.types('eval "$(pulumi stack output shell)"\nfruits runs')
    assert re.search(r"fruits-360-\S+ +COMPLETED", told)


def test_nodes_of_the_later_stack_may_read_what_those_of_the_earlier_one_wrote(story: Story) -> None:
    """So that its runs reuse features; that they do is told where steps are tested."""
    run = story.person.types(LISTED).strip()
    cloud = story.cloud
    node = Node(
        cloud=cloud.exported,
        iam=cloud.client("iam"),
        sts=cloud.client("sts"),
        instance_profile=story.settings_of_the_launcher()["FRUITS_INSTANCE_PROFILE_ARN"],
        spark_defaults={},
        slots=1,
    )
    s3 = client("s3", cloud.exported, **node.credentials())
    prefix = RunLayout("fruits-360", run).features
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=story.bucket, Prefix=prefix)["Contents"]]
    assert len(keys) > 16
    for key in keys:
        s3.get_object(Bucket=story.bucket, Key=key)["Body"].read()


def test_leaving_nothing_behind_and_the_stack_beside_it_as_it_was(story: Story) -> None:
    story.follows("Leaving nothing behind")
    assert story.resources() == {}
    assert story.cloud.names() == story.names
    assert story.beside["function"]
    assert story.cloud.its_stack() == story.beside


def test_no_block_of_the_document_was_left_out(story: Story) -> None:
    assert story.read == list(chapters())


def test_sigterm_ends_the_cloud_and_leaves_nothing(kept: KeptCloud) -> None:
    kept.process.send_signal(signal.SIGTERM)
    rest, errors = kept.process.communicate(timeout=20)
    assert (kept.process.returncode, errors) == (130, "")
    assert "The local cloud is down." in rest
    assert has_ended(kept.folder)
    left = {path.name for path in kept.folder.iterdir()}
    assert left - {"manifest.json"} == {"emr", "lock", "ministack.log"}
