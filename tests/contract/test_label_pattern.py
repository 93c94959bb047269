"""Label patterns: what RE2 takes, and in which words the rest is refused."""

from __future__ import annotations

import pytest

from lambdas.contract.label_pattern import PatternError, compile_pattern


def test_a_pattern_finds_its_first_group() -> None:
    found = compile_pattern("/([^/]+)_[0-9]+").search("s3://bkt/apple_1.jpg")
    assert found is not None
    assert found.group(1) == "apple"
    assert compile_pattern("/([0-9]+)").search("s3://bkt/apple.jpg") is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "is no regular expression: missing ): ("),
        ("([é)", "is no regular expression: missing ]: [é)"),
        ("apple", "has no group"),
        ("(?=(a))", "looks ahead or behind, which is not supported: such a search may take for ever"),
        (r"(\C)", r"holds \C, which is not supported: a single byte may be half a letter; write a dot"),
        (r"\\\C(.)", r"holds \C, which is not supported: a single byte may be half a letter; write a dot"),
        (r"\\Q\C(.)", r"holds \C, which is not supported: a single byte may be half a letter; write a dot"),
        ("(?P<a>b)(?P=a)", "refers back to a group, which is not supported: such a search may take for ever"),
    ],
    ids=["group", "class", "none", "looks", "byte", "backslash_byte", "byte_not_quoted", "refers"],
)
def test_what_cannot_be_used_is_told_once_and_not_to_the_log(
    pattern: str, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PatternError) as refused:
        compile_pattern(pattern)
    assert str(refused.value) == why
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("pattern", [r"\\C(.)", r"\Q\C\E(.)", r"\Q\C(.)\E(.)"])
def test_a_backslash_in_front_of_a_letter_is_taken_for_what_it_is(pattern: str) -> None:
    found = compile_pattern(pattern).search(r"s3://bkt/\C(.)x.jpg")
    assert found is not None
