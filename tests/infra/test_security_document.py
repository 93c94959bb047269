"""docs/security.md claims nothing that no test shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from infra.program import REPOSITORY
from infra.settings import DEFAULTS
from tests.infra.conftest import RecordingProvider

DOCUMENT = (REPOSITORY / "docs" / "security.md").read_text()
ROW = re.compile(r"^\| (?P<claim>.+?) \| (?:declared|enforced|both) \| (?P<tests>.+?) \|$", re.MULTILINE)
TEST = re.compile(r"`(?P<file>test_\w+\.py)::(?P<name>test_\w+)`")


COLLECT = """
import json, sys, pytest

def is_skipped(item):
    marks = list(item.iter_markers("skip")) + [m for m in item.iter_markers("skipif") if m.args[0]]
    return bool(marks)

class Collected:
    def pytest_collection_finish(self, session):
        names = {item.nodeid.split("[")[0] for item in session.items if not is_skipped(item)}
        print("\\ncollected", json.dumps(sorted(names)))

sys.exit(pytest.main(["--collect-only", "--quiet", *sys.argv[1:]], plugins=[Collected()]))
"""
"""Prints the tests that pytest would run."""


def claims() -> list[tuple[str, str]]:
    return [(row["claim"], row["tests"]) for row in ROW.finditer(DOCUMENT)]


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """``<file>::<test>`` of every test in the named files that pytest collects and does not skip."""
    files = {
        str(path) for test in TEST.finditer(DOCUMENT) for path in REPOSITORY.glob(f"tests/*/{test['file']}")
    }
    finished = subprocess.run(
        [sys.executable, "-c", COLLECT, *sorted(files)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (line,) = (line for line in finished.stdout.splitlines() if line.startswith("collected "))
    return {name.rsplit("/", 1)[-1] for name in json.loads(line.removeprefix("collected "))}


@pytest.mark.slow
@pytest.mark.parametrize(("claim", "tests"), claims())
def test_every_claim_names_tests_that_run(claim: str, tests: str, collected: set[str]) -> None:
    named = {f"{test['file']}::{test['name']}" for test in TEST.finditer(tests)}
    assert named, f"no test shows that: {claim}"
    assert not named - collected, "pytest does not run these"


def test_no_table_of_claims_is_overlooked() -> None:
    tables = DOCUMENT.count("| claim | shown | test |")
    rows = [line for line in DOCUMENT.splitlines() if "::test_" in line]
    assert tables == 7
    assert len(rows) == len(claims()) > 30


WISHES_OF_SCANNERS = {
    ("Function", "codeSigningConfigArn"): "code signing of functions",
    ("Function", "deadLetterConfig"): "a dead-letter queue for each function",
    ("Function", "kmsKeyArn"): "functions' settings under a key of ours",
    ("Function", "reservedConcurrentExecutions"): "functions with reserved concurrency",
    ("Function", "tracingConfig"): "functions that are traced",
    ("Function", "vpcConfig"): "functions in a VPC",
    ("LogGroup", "kmsKeyId"): "logs under a key of ours",
    ("LogGroup", "retentionInDays"): "logs that end",
    ("Topic", "kmsMasterKeyId"): "topics under a key of ours",
}
"""By kind and property. Source: checkov's index of AWS policies: 26, 50, 66, 115, 116, 117, 158, 173, 272."""


@pytest.mark.parametrize(("kind", "property_"), WISHES_OF_SCANNERS)
def test_what_a_scanner_asks_for_is_there_or_the_document_says_why_not(
    declared: RecordingProvider, kind: str, property_: str
) -> None:
    refusals = DOCUMENT.split("## What a scanner asks for besides")[1].split("\n## ")[0]
    granted = all(inputs.get(property_) for inputs in declared.all_of(kind))
    assert granted != (f"| {WISHES_OF_SCANNERS[kind, property_]} |" in refusals)


def test_the_document_says_why_logs_are_kept_for_less_than_a_scanners_year() -> None:
    (reason,) = re.findall(r"^\| logs of a year \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert f"`logRetentionDays` ({DEFAULTS['logRetentionDays']})" in reason
    assert f"`auditRetentionDays` ({DEFAULTS['auditRetentionDays']})" in reason
