"""What tests/tiers.py names is there, and what it says of a test is readable."""

from __future__ import annotations

import re

import pytest

from infra.program import REPOSITORY
from tests.tiers import DEAR, LONGEST_FIRST, group_of, sentence_of, tier_of


@pytest.mark.parametrize("group", LONGEST_FIRST)
def test_what_goes_first_is_a_tier_or_a_file(group: str) -> None:
    assert (REPOSITORY / group).is_file() or (REPOSITORY / "tests" / group).is_dir()


@pytest.mark.parametrize("fixture", sorted(DEAR))
def test_what_makes_a_test_slow_is_a_fixture(fixture: str) -> None:
    texts = (path.read_text() for path in (REPOSITORY / "tests").rglob("*.py"))
    assert any(re.search(rf"@pytest\.fixture.*\n(?:@.*\n)*def {fixture}\(", text) for text in texts)


@pytest.mark.parametrize(
    ("node_id", "group"),
    [
        ("tests/infra/test_trust.py::test_a[tests/x.py::b]", "infra"),
        ("tests/infra/test_node_packages.py::test_a", "tests/infra/test_node_packages.py"),
        ("tests/lambdas/test_cli.py::TestControlPlane::runTest", "lambdas"),
    ],
)
def test_a_test_stays_with_its_tier_or_with_a_long_file(node_id: str, group: str) -> None:
    assert group_of(node_id) == group
    assert tier_of(node_id) == node_id.split("/")[1]


def test_a_test_that_failed_is_told_as_a_sentence_with_its_case() -> None:
    node_id = "tests/infra/test_trust.py::test_nobody_gets_in[as_root]"
    assert sentence_of(node_id) == "nobody gets in [as_root]"
