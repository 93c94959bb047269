"""What the files at the top of the repository promise: NOTICE, the pre-commit configuration, the workflow."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
NOTICE = (REPOSITORY / "NOTICE").read_text()
ON_AWS = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
}
BY_THE_RUNTIME = {"lambdas": {"boto3", "botocore"}, "node": set(), "node-reference": set()}
PARTS = {
    "lambdas": "Libraries in the zips",
    "node": "Libraries in the wheelhouse of all nodes",
    "node-reference": "Libraries in the wheelhouse of the reference engine",
}
"""What NOTICE says of the dependency groups whose libraries are uploaded."""
FAMILIES = ("Apache", "BSD", "MIT", "MPL", "PSF")
"""How the metadata of a distribution that has no SPDX expression call its licence, more or less."""
UNTOLD = {"namex"}
"""Their metadata name no licence; their licence files do."""


def libraries(group: str) -> set[str]:
    """The distributions that come with a dependency group on AWS."""
    waiting = [Requirement(line) for line in PROJECT["dependency-groups"][group]]
    found: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            name = canonicalize_name(wanted.name)
            if name in BY_THE_RUNTIME[group] or (name, extra) in found:
                continue
            found.add((name, extra))
            for line in metadata.requires(name) or []:
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({**ON_AWS, "extra": extra}):
                    waiting.append(needed)
    everywhere = libraries("node") if group == "node-reference" else set()
    return {name for name, _ in found} - everywhere


def licences(group: str) -> dict[str, str]:
    """Library to licence, as NOTICE has them."""
    part = NOTICE.split(PARTS[group])[1].split("\n\n")[0]
    return dict(re.findall(r"^    ([a-z0-9-]+) {2,}(\S.*)$", part, re.MULTILINE))


@pytest.mark.parametrize("group", PARTS)
def test_notice_names_every_library_that_is_uploaded_and_no_other(group: str) -> None:
    assert set(licences(group)) == libraries(group)


@pytest.mark.parametrize("group", PARTS)
def test_notice_names_the_licence_that_each_library_declares(group: str) -> None:
    untold = set()
    for name, licence in licences(group).items():
        about = metadata.metadata(name)
        if (declared := about.get("License-Expression")) is not None:
            assert licence == declared, name
            continue
        classifiers = [line for line in about.get_all("Classifier", []) if line.startswith("License ::")]
        told = " ".join([*(about.get("License") or "").splitlines()[:1], *classifiers])
        families = re.findall("|".join(FAMILIES), licence)
        assert families, name
        if told:
            assert all(family in told for family in families), (name, told)
        else:
            untold.add(name)
    assert untold <= UNTOLD


def recipe(target: str) -> list[str]:
    """The commands of a make target, without what make does with them."""
    (lines,) = re.findall(
        rf"^{target}:.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE
    )
    return [line.strip().removeprefix("@").replace("$(VENV)", ".venv/bin") for line in lines.splitlines()]


def test_notebooks_are_committed_as_nobody_has_run_them() -> None:
    notebooks = [json.loads(path.read_text()) for path in (REPOSITORY / "docs").rglob("*.ipynb")]
    cells = [cell for notebook in notebooks for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


def test_pre_commit_runs_what_make_lint_runs() -> None:
    (repo,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["repo"] == "local"
    assert [hook["entry"] for hook in repo["hooks"]] == recipe("lint")
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in repo["hooks"])


def test_the_workflow_runs_make_test_with_the_projects_python_and_may_only_read() -> None:
    # YAML 1.1 takes the key `on` for true.
    workflow: dict[Any, Any] = yaml.safe_load((REPOSITORY / ".github/workflows/test.yml").read_text())
    (job,) = workflow["jobs"].values()
    used = {step["uses"]: step.get("with", {}) for step in job["steps"] if "uses" in step}
    assert job["steps"][-1]["run"] == "make test"
    assert workflow["permissions"] == {"contents": "read"}
    assert {"push", "pull_request"} == set(workflow[True])
    (python,) = (given["python-version"] for name, given in used.items() if "setup-python" in name)
    assert PROJECT["project"]["requires-python"] == f"=={python}.*"
    assert all(re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", name) for name in used)
