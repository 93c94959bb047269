"""`make local` serves a person's own `pulumi`, too."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.local.cloud import OWN_STACK, LocalCloud, instructions
from infra.program import REPOSITORY
from tests.engine.person import Person


def test_what_it_prints_makes_a_second_stack_beside_its_own_and_takes_it_away_again(
    tmp_path: Path, build: Path
) -> None:
    person = Person(tmp_path / "person", {"PULUMI_BACKEND_URL": "https://somewhere.invalid"})
    shutil.copytree(build, person.folder / "build", dirs_exist_ok=True)
    folder = tmp_path / "cloud"
    try:
        with LocalCloud(folder, build=build) as cloud:
            told = [line.strip() for line in instructions(cloud).splitlines()]
            typed = [line for line in told if line.startswith(("source ", "pulumi "))]
            assert [line.split()[:2] for line in typed[1:]] == [
                ["pulumi", "stack"],
                ["pulumi", "config"],
                ["pulumi", "up"],
            ]
            document = (REPOSITORY / "docs" / "operations.md").read_text()
            assert all(f"\n{line}" in document for line in typed[1:])
            before = names(cloud)
            made = person.types("\n".join(typed))
            assert " created\n" in made
            person.types('eval "$(pulumi stack output shell)"')
            own = person.types("echo $FRUITS_DATA_BUCKET").strip()
            assert own.startswith(f"fruits-{OWN_STACK}-data")
            assert {own} < names(cloud) - before
            assert "No runs yet" in person.types(".venv/bin/fruits runs")

            person.types("pulumi refresh")
            person.types("pulumi destroy")
            assert names(cloud) == before
            # The file of an earlier stack of this name is no obstacle.
            person.types(f"pulumi stack rm --preserve-config {OWN_STACK} && {typed[1]}")
        assert not (folder / "pulumi-home").exists()
    finally:
        person.leaves()


def names(cloud: LocalCloud) -> set[str]:
    """Buckets, functions, roles and tables."""
    return {
        *(one["Name"] for one in cloud.client("s3").list_buckets()["Buckets"]),
        *(one["FunctionName"] for one in cloud.client("lambda").list_functions()["Functions"]),
        *(one["RoleName"] for one in cloud.client("iam").list_roles()["Roles"]),
        *cloud.client("dynamodb").list_tables()["TableNames"],
    }
