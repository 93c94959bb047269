"""Releases read each other's documents: what older ones wrote, what newer ones add, and never what they mean.

``golden/`` holds a sample of everything that was ever written; a new field of today's wants a new one.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.documents import UnreadableError, check_version, json_object
from lambdas.contract.plan import ClusterSpec, Plan, WorkbenchPlan
from lambdas.contract.report import StepReport
from lambdas.contract.status import Status

GOLDEN = Path(__file__).parent / "golden"
KINDS: dict[str, Any] = {"plan": Plan, "report": StepReport, "workbench": WorkbenchPlan}
SAMPLES = sorted(path.stem for path in GOLDEN.glob("*.json") if path.stem.split("-")[0] in KINDS)


def text(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text()


def read(name: str, body: str) -> Any:
    return KINDS[name.split("-")[0]].from_json(body)


def newest(kind: str) -> str:
    return max(path.stem for path in GOLDEN.glob(f"{kind}-*.json"))


@pytest.mark.parametrize(
    ("name", "estimate", "fraction", "cluster"),
    [
        ("plan-1", None, 1.0, None),
        ("plan-1-quarantine", None, 0.05, None),
        ("plan-2-estimate", Estimate("eu-west-1", 10.0, 0.25, 1.5, "2025-06"), 1.0, None),
        ("plan-3-quarantine", Estimate("eu-west-1", 10.0, 0.25, 1.5, "2025-06"), 0.05, None),
        (
            "plan-4-cluster",
            Estimate("eu-west-1", 10.0, 0.25, 1.5, "2025-06"),
            0.05,
            ClusterSpec(3, ("m5.xlarge", "m6i.xlarge"), "spot"),
        ),
    ],
)
def test_plans_of_every_release_are_read_with_defaults_for_what_they_lack(
    name: str, estimate: Estimate | None, fraction: float, cluster: ClusterSpec | None
) -> None:
    plan = read(name, text(name))
    assert (plan.estimate, plan.max_quarantined_fraction, plan.cluster) == (estimate, fraction, cluster)
    today = read("plan", text("plan-6-basis"))
    known = {"estimate": estimate, "max_quarantined_fraction": fraction, "cluster": cluster, "notes": ()}
    assert plan == dataclasses.replace(today, **known)


def test_a_plan_of_before_estimates_told_their_basis_is_read_without_it() -> None:
    older, today = (read("plan", text(name)) for name in ("plan-5-notes", "plan-6-basis"))
    assert today.estimate.basis.startswith("38.2 images/s a vCPU (measured by 3 runs")
    assert older == dataclasses.replace(today, estimate=dataclasses.replace(today.estimate, basis=""))


def test_reports_of_every_release_are_read_with_defaults_for_what_they_lack() -> None:
    before_notes, first, second, third, today = (
        read("report", text(name)) for name in SAMPLES if name.startswith("report")
    )
    assert before_notes == first == dataclasses.replace(third, featurize=None)
    assert second == third == dataclasses.replace(today, images_skipped={}, suffixes_skipped={})
    assert (first.version, third.featurize.slowest_shards[0].images) == (1, 3)


@pytest.mark.parametrize("kind", ["plan", "report", "status", "workbench"])
def test_what_this_release_writes_is_among_the_samples(kind: str) -> None:
    written = (KINDS | {"status": Status})[kind]
    fields = {field.name for field in dataclasses.fields(written)}
    assert set(json.loads(text(newest(kind)))) == fields


def test_a_status_only_ever_gains_fields() -> None:
    """Programs poll it; a release reads back no more of it than a program does."""
    fields = [set(json.loads(path.read_text())) for path in sorted(GOLDEN.glob("status-*.json"))]
    assert fields == sorted(fields, key=len)
    assert all(older < newer for older, newer in itertools.pairwise(fields))


def places(value: Any) -> list[Any]:
    """Every object of a document."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [place for item in inner for place in places(item)]
    return [value, *found] if isinstance(value, dict) else found


FREE = {"seconds", "quarantine_reasons", "task_seconds", "images_skipped", "suffixes_skipped"}
"""Whose keys are data."""


@pytest.mark.parametrize("name", SAMPLES)
def test_what_a_newer_release_adds_anywhere_is_left_aside(name: str) -> None:
    document = json.loads(text(name))
    free = [id(holder[key]) for holder in places(document) for key in FREE & holder.keys()]
    for place in places(document):
        if id(place) not in free:
            place["of_tomorrow"] = {"something": ["else"]}
    assert read(name, json.dumps(document)) == read(name, text(name))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_document_of_a_newer_version_is_refused_with_a_sentence(name: str) -> None:
    kind = KINDS[name.split("-")[0]].__name__
    with pytest.raises(UnreadableError) as caught:
        read(name, json.dumps({**json.loads(text(name)), "version": 2}))
    assert str(caught.value) == (
        f"{kind} is of version 2, and this release reads up to 1: "
        "a newer release wrote it; deploy that one again"
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (0, "0"),
        (True, "true"),
        (Decimal("1.5"), '"1.5"'),  # as DynamoDB has numbers
        ("a" * 38, f'"{"a" * 38}"'),
        ("a" * 39, f'"{"a" * 39}...'),
    ],
)
def test_what_is_no_version_is_told_in_a_few_words(found: object, told: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        check_version("the run's record", found, 1)
    assert str(caught.value) == f"the run's record has no version but {told}"


@pytest.mark.parametrize("body", [None, b"", b"{", b"[]", b"1", bytes([255])], ids=range(6))
def test_what_is_no_object_is_as_good_as_an_empty_one(body: bytes | None) -> None:
    assert json_object(body) == json_object(b"[" * 100_000) == {}
    assert json_object(b'{"a": 1}') == {"a": 1}


OTHERS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([]), st.just({}),
    st.just([[{}]]), st.just({"a": 1}),
)  # fmt: skip


@given(st.data())
def test_a_damaged_document_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SAMPLES))
    document = json.loads(text(name))
    place = data.draw(st.sampled_from([found for found in places(document) if found]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(OTHERS)
    try:
        value = read(name, json.dumps(document))
    except UnreadableError as error:
        assert str(error)  # noqa: PT017  # either is right
    else:
        assert read(name, value.to_json()) == value or "NaN" in value.to_json()


@given(st.binary(max_size=30))
def test_bytes_that_are_no_document_are_refused(body: bytes) -> None:
    for kind in KINDS.values():
        with pytest.raises(UnreadableError):
            kind.from_json(body)
