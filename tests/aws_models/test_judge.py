from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
import regex

from tests.aws_models.judge import Violation, violations
from tests.aws_models.patterns import compiled

UNREADABLE = [r"^arn:\S+:rbin:[a-z\-0-9]{0,63}:[0-9]{12}:rule/[0-9a-zA-Z]{11}{0,1011}$"]
"""Of all services' patterns. The Recycle Bin is none of ours, and a request to it fails as unreadable."""
XML_STRING = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*"


def judged(service: str, operation: str, parameters: dict[str, Any]) -> list[Violation]:
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    return list(violations(model.input_shape, parameters))


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "violation"),
    [
        (
            "sts",
            "AssumeRole",
            {"RoleSessionName": "a b"},
            Violation("RoleSessionName", "'a b'", r"matches [\w+=,.@-]*"),
        ),
        (
            "s3",
            "PutBucketVersioning",
            {"VersioningConfiguration": {"Status": "On"}},
            Violation("VersioningConfiguration.Status", "'On'", "one of Enabled, Suspended"),
        ),
        (
            "iam",
            "CreateRole",
            {"RoleName": "x" * 65},
            Violation("RoleName", repr("x" * 65), "the length is at most 64"),
        ),
        (
            "logs",
            "FilterLogEvents",
            {"limit": 10_001},
            Violation("limit", "10001", "the number is at most 10000"),
        ),
        (
            "lambda",
            "CreateFunction",
            {"Timeout": 0},
            Violation("Timeout", "0", "the number is at least 1"),
        ),
        (
            "emr",
            "RunJobFlow",
            {"Instances": {"InstanceFleets": [{}, {"Name": "\x00"}]}},
            Violation("Instances.InstanceFleets[1].Name", r"'\x00'", f"matches {XML_STRING}"),
        ),
        (
            "lambda",
            "CreateFunction",
            {"Environment": {"Variables": {"1st": "value"}}},
            Violation("Environment.Variables (key)", "'1st'", r"matches [a-zA-Z]([a-zA-Z0-9_])+"),
        ),
    ],
)
def test_a_broken_rule_is_told_with_its_place(
    service: str, operation: str, parameters: dict[str, Any], violation: Violation
) -> None:
    assert judged(service, operation, parameters) == [violation]


def test_a_call_without_input_has_nothing_to_judge() -> None:
    assert list(violations(None, {})) == []


def test_what_has_no_length_is_not_measured() -> None:
    assert judged("logs", "FilterLogEvents", {"unmask": True}) == []
    assert judged("s3", "PutObject", {"Bucket": "b", "Key": "k", "Body": io.BytesIO()}) == []


def test_an_unreadable_pattern_is_a_violation_not_a_pass() -> None:
    shape = botocore.model.StringShape("s", {"type": "string", "pattern": "a{1}{2}"})
    (violation,) = violations(shape, "aa")
    assert violation.rule.startswith("matches a{1}{2} (which nobody here can read: ")


def test_all_patterns_of_all_services_can_be_read_but_these() -> None:
    patterns: set[str] = set()
    for path in Path(botocore.__file__).parent.glob("data/*/*/service-2.json.gz"):
        shapes = json.loads(gzip.decompress(path.read_bytes()))["shapes"].values()
        patterns |= {shape["pattern"] for shape in shapes if "pattern" in shape}
    assert len(patterns) > 4000
    assert [pattern for pattern in patterns if not can_be_read(pattern)] == UNREADABLE


def can_be_read(pattern: str) -> bool:
    try:
        compiled(pattern)
    except regex.error:
        return False
    return True


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        pytest.param("[a-z]+", "ab", "ab!", id="the whole value counts, without anchors too"),
        pytest.param("^[a-z]+$", "ab", "ab\n", id="the end is the end, not the last line's"),
        pytest.param(r"\A[a-z]+\z", "ab", "ab\n", id="Java's name for the end"),
        pytest.param(r"[\w-.]+", "a-b.", "é", id="words are ASCII, also beside a hyphen"),
        pytest.param(r"\S+", "é", "\t", id="no space"),
        pytest.param(r"[^\W_]+", "a1", "_", id="a negated class in a negated set"),
        pytest.param(r"\d+", "12", "\u0661", id="digits are ASCII"),
        pytest.param(r"[\p{L}]+", "é", "1", id="but letters are everybody's"),
        pytest.param(r"[\p{Punct}]+", "$-", "a", id="POSIX punctuation has ASCII's symbols"),
        pytest.param(r"\P{Alpha}+", "é1", "a", id="POSIX classes are ASCII"),
        pytest.param(r"[\p{Print}&&[^|:]]+", "a b", "a|b", id="the common part of two sets"),
        pytest.param(r"[a||b]+", "a|b", "c", id="a doubled bar in a set is a bar"),
        pytest.param(r"[\x{41}-\x{43}]+", "ABC", "D", id="a character by its number"),
        pytest.param(XML_STRING, "a\U0001f600", "\x00", id="pairs of surrogates are one character"),
        pytest.param("(?!(?i)aws_)[a-zA-Z_]+", "a", "AWS_A", id="case ignored from here on"),
    ],
)
def test_patterns_mean_what_they_mean_in_java(pattern: str, good: str, bad: str) -> None:
    assert compiled(pattern).fullmatch(good)
    assert not compiled(pattern).fullmatch(bad)
