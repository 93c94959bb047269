"""`make local`: a cloud that stays up until it is told to end, for a person's shell and own `pulumi`."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.cloud import OWN_STACK, FolderInUseError, LocalCloud
from infra.local.ministack import client
from infra.program import REPOSITORY
from tests.engine.person import Person
from tests.infra.test_cloud import keep_running
from tests.infra.test_ministack import has_ended

pytestmark = pytest.mark.slow
PROGRAMS = Path(sys.prefix) / "bin"


@dataclass(frozen=True)
class Kept:
    """The process that keeps the cloud, the folder of its files, and what it told, line by line."""

    process: subprocess.Popen[str]
    folder: Path
    told: list[str]

    def line(self, part: str) -> str:
        return next(line for line in self.told if part in line)

    def names(self) -> set[str]:
        """Buckets, functions, roles and tables."""
        lines = map(shlex.split, (self.folder / "env.sh").read_text().splitlines())
        exported = [line[1].split("=", 1) for line in lines if line[0] == "export"]
        environment = dict(exported)
        s3, functions, iam, dynamodb = (
            client(service, environment) for service in ("s3", "lambda", "iam", "dynamodb")
        )
        return {
            *(one["Name"] for one in s3.list_buckets()["Buckets"]),
            *(one["FunctionName"] for one in functions.list_functions()["Functions"]),
            *(one["RoleName"] for one in iam.list_roles()["Roles"]),
            *dynamodb.list_tables()["TableNames"],
        }


@pytest.fixture(scope="module")
def kept(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    with keep_running(folder, build) as process:
        assert process.stdout is not None
        printed = ""
        while "ctrl-C" not in printed:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            printed += line
        told = printed.replace("\\\n", "").splitlines()
        yield Kept(process, folder, [line.strip() for line in told])


def test_what_it_prints_works_in_a_shell(kept: Kept, build: Path) -> None:
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


def test_a_second_stack_comes_beside_its_own_and_goes_again(kept: Kept, tmp_path: Path, build: Path) -> None:
    person = Person(tmp_path, {"PULUMI_BACKEND_URL": "https://somewhere.invalid"})
    shutil.copytree(build, person.folder / "build", dirs_exist_ok=True)
    try:
        typed = [line for line in kept.told if line.startswith(("source ", "pulumi "))]
        assert [line.split()[:2] for line in typed[1:]] == [
            ["pulumi", "stack"],
            ["pulumi", "config"],
            ["pulumi", "up"],
        ]
        document = (REPOSITORY / "docs" / "operations.md").read_text()
        assert all(f"\n{line}" in document for line in typed[1:])
        before = kept.names()
        made = person.types("\n".join(typed))
        assert " created\n" in made
        person.types('eval "$(pulumi stack output shell)"')
        own = person.types("echo $FRUITS_DATA_BUCKET").strip()
        assert own.startswith(f"fruits-{OWN_STACK}-data")
        assert {own} < kept.names() - before
        assert "No runs yet" in person.types(".venv/bin/fruits runs")

        person.types("pulumi refresh")
        person.types("pulumi destroy")
        assert kept.names() == before
        # The file of an earlier stack of this name is no obstacle.
        person.types(f"pulumi stack rm --preserve-config {OWN_STACK} && {typed[1]}")
    finally:
        person.leaves()


def test_sigterm_ends_it_and_leaves_nothing(kept: Kept) -> None:
    kept.process.send_signal(signal.SIGTERM)
    rest, errors = kept.process.communicate(timeout=20)
    assert (kept.process.returncode, errors) == (130, "")
    assert "The local cloud is down." in rest
    assert has_ended(kept.folder)
    left = {path.name for path in kept.folder.iterdir()}
    assert left - {"manifest.json"} == {"lock", "ministack.log"}
