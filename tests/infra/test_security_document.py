"""docs/security.md claims nothing that no test shows."""

from __future__ import annotations

import re

import pytest

from infra.program import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "security.md").read_text()
ROW = re.compile(r"^\| (?P<claim>.+?) \| (?:declared|enforced|both) \| (?P<tests>.+?) \|$", re.MULTILINE)
TEST = re.compile(r"`(?P<file>test_\w+\.py)::(?P<name>test_\w+)`")


def claims() -> list[tuple[str, str]]:
    return [(row["claim"], row["tests"]) for row in ROW.finditer(DOCUMENT)]


@pytest.mark.parametrize(("claim", "tests"), claims())
def test_every_claim_names_tests_that_exist(claim: str, tests: str) -> None:
    named = list(TEST.finditer(tests))
    assert named, f"no test shows that: {claim}"
    for test in named:
        (file,) = (REPOSITORY / "tests").glob(f"*/{test['file']}")
        assert f"\ndef {test['name']}(" in file.read_text(), f"{test['file']} has no {test['name']}"


def test_no_table_of_claims_is_overlooked() -> None:
    tables = DOCUMENT.count("| claim | shown | test |")
    rows = [line for line in DOCUMENT.splitlines() if "::test_" in line]
    assert tables == 5
    assert len(rows) == len(claims()) > 30
