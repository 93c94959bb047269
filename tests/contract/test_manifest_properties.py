"""Whatever is uploaded, reading it ends with a manifest or with faults that name the field."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.manifest.faults import Fault, ManifestError
from lambdas.contract.manifest.schema import parse_manifest

from .test_manifest import FULL

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def places_in(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    return [
        place
        for step, child in entries
        for place in [
            (*path, step),
            *(places_in(child, (*path, step)) if isinstance(child, dict | list) else []),
        ]
    ]


def read_or_answer(body: bytes) -> tuple[Fault, ...]:
    """Whatever is uploaded: a manifest, or faults that can be stored as JSON."""
    try:
        parse_manifest(body)
    except ManifestError as error:
        faults = error.faults
    else:
        return ()
    assert faults
    assert all(fault.path.startswith("$") and fault.problem and fault.remedy for fault in faults)
    json.dumps([vars(fault) for fault in faults], ensure_ascii=False).encode()
    return faults


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_answered_with_faults(body: bytes) -> None:
    assert read_or_answer(body)


@given(json_values)
def test_arbitrary_json_is_answered_with_faults(document: Any) -> None:
    assert read_or_answer(json.dumps(document).encode())


@given(st.sampled_from(places_in(FULL)), json_values)
def test_a_fault_of_a_single_changed_value_names_that_field(place: tuple[Any, ...], value: Any) -> None:
    document = copy.deepcopy(FULL)
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    section = str(place[0])
    # A changed size, price or time may make the whole run too dear, which the cost limit answers for.
    allowed = (f"$.{section}", "$.limits.max_cost_eur")
    assert all(fault.path.startswith(allowed) for fault in read_or_answer(json.dumps(document).encode()))


@given(
    st.sampled_from([place for place in places_in(FULL) if isinstance(place[-1], str)]), st.text(min_size=1)
)
def test_a_renamed_key_is_answered_where_it_is(place: tuple[Any, ...], name: str) -> None:
    document = copy.deepcopy(FULL)
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    if name in parent:
        return
    parent[name] = parent.pop(place[-1])
    faults = read_or_answer(json.dumps(document).encode())
    assert any(
        fault.problem in ("is not a known key", "holds half of a surrogate pair") for fault in faults
    ) or (place[0] == "images" and len(place) == 2)
