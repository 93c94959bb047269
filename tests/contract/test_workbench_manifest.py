"""A workbench's manifest: what is taken, and what is answered to the rest."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from lambdas.contract.cost.prices import worst_case_eur
from lambdas.contract.manifest.faults import Fault, ManifestError
from lambdas.contract.manifest.schema import Manifest, parse_either, parse_manifest
from lambdas.contract.manifest.workbench import Workbench, WorkbenchManifest, is_workbench_document
from lambdas.contract.run import MAX_RUN_ID_LENGTH, run_id
from lambdas.contract.workbench import last_active_at

SMALLEST = {"name": "explore"}


def parse(**changes: Any) -> Workbench:
    found = parse_either(json.dumps({"version": 1, "workbench": SMALLEST | changes}).encode())
    assert isinstance(found, WorkbenchManifest)
    return found.workbench


def fault_of(document: Any) -> Fault:
    with pytest.raises(ManifestError) as refused:
        parse_either(json.dumps(document).encode())
    (fault,) = refused.value.faults
    return fault


def test_a_name_is_enough() -> None:
    asked = parse()
    assert (asked.name, asked.hours, asked.idle_minutes, asked.workers) == ("explore", 4, 60, 2)
    assert (asked.instance_type, asked.dataset, asked.run, asked.max_cost_eur) == (
        "m5.xlarge",
        None,
        None,
        10,
    )


def test_everything_that_can_be_said_is_taken() -> None:
    given = {
        "hours": 12, "idle_minutes": 15, "workers": 1, "instance_type": "m6i.xlarge",
        "dataset": "fruits", "run": "fruits-0123456789ab", "max_cost_eur": 7.5,
    }  # fmt: skip
    assert parse(**given).model_dump() == SMALLEST | given


def test_the_longest_run_id_that_there_can_be_is_taken() -> None:
    longest = run_id("d" * 63, "bucket", "manifests/a.json", "v1")
    assert len(longest) == MAX_RUN_ID_LENGTH
    assert parse(run=longest, dataset="d" * 63).run == longest


def test_a_manifest_without_a_workbench_is_one_of_a_dataset() -> None:
    body = json.dumps({"version": 1, "dataset": "d", "images": {"prefixes": ["s3://bucket/a/"]}}).encode()
    assert parse_either(body) == parse_manifest(body)
    assert isinstance(parse_either(body), Manifest)


@pytest.mark.parametrize(
    ("changes", "path", "problem", "remedy"),
    [
        ({"hours": 13}, "hours", "is 13; the largest value is 12", "Write 12 or less."),
        ({"hours": 0}, "hours", "is 0; the smallest value is 1", "Write 1 or more."),
        ({"hours": 2.5}, "hours", "it must be a whole number", "for example 4"),
        ({"idle_minutes": 14}, "idle_minutes", "the smallest value is 15", "Write 15 or more."),
        ({"name": "Explore!"}, "name", "does not have the right form", "lower-case"),
        ({"name": "a" * 33}, "name", "does not have the right form", "at most 32"),
        ({"workers": 51}, "workers", "the largest value is 50", "Write 50 or less."),
        ({"instance_type": "m6g.xlarge"}, "instance_type", "workbenches are made for x86-64", "m6i.xlarge"),
        ({"instance_type": "m5.huge"}, "instance_type", "whose price is not known", "m5.xlarge"),
        ({"instance_type": "t3.micro"}, "instance_type", "whose price is not known", "Use one of: m5.xlarge"),
        ({"run": None}, "run", "is null", "Leave the key out"),
        ({"run": "a" * 3000}, "run", "does not have the right form", "at most 76 characters"),
        ({"run": "fruits/1"}, "run", "does not have the right form", "as `fruits runs` lists it"),
        ({"run": ""}, "run", "does not have the right form", "as `fruits runs` lists it"),
        ({"dataset": "a" * 64}, "dataset", "does not have the right form", "at most 63 characters"),
        ({"dataset": "Fruits/360"}, "dataset", "does not have the right form", 'for example "fruits-360"'),
        ({"max_cost_eur": 0}, "max_cost_eur", "it must be more than 0", "for example 10.0"),
        ({"hour": 3}, "hour", "is not a known key", "Did you mean hours?"),
    ],
)
def test_bad_input_is_answered_with_field_and_remedy(
    changes: dict[str, Any], path: str, problem: str, remedy: str
) -> None:
    fault = fault_of({"version": 1, "workbench": SMALLEST | changes})
    assert fault.path == f"$.workbench.{path}"
    assert problem in fault.problem
    assert remedy in fault.remedy


def test_for_a_type_that_is_none_no_graviton_type_is_advised() -> None:
    for name in ("t3.micro", "m6g.xlrage"):
        fault = fault_of({"version": 1, "workbench": SMALLEST | {"instance_type": name}})
        assert "g." not in fault.remedy.removeprefix("Use one of: ")
        assert "g." not in (fault.nearest or "")


def test_of_a_graviton_type_it_is_told_which_it_is_and_which_are_none() -> None:
    fault = fault_of({"version": 1, "workbench": SMALLEST | {"instance_type": "m6g.xlarge"}})
    assert fault.problem == (
        'is the text "m6g.xlarge", a Graviton type, and workbenches are made for x86-64 types alone'
    )
    assert fault.remedy.startswith("Use one of: m5.xlarge, m5.2xlarge, ")
    assert fault.remedy.endswith("r5.2xlarge.")
    assert "g." not in fault.remedy.removeprefix("Use one of: ")
    assert fault.nearest == "m6i.xlarge"


def test_a_dataset_does_not_stand_beside_a_workbench_but_inside() -> None:
    fault = fault_of({"version": 1, "dataset": "fruits", "workbench": SMALLEST})
    assert (fault.path, fault.nearest) == ("$.dataset", "workbench.dataset")


@pytest.mark.parametrize("key", ["Workbench", "work_bench", "workbenches"])
def test_a_mistyped_workbench_is_answered_with_the_word(key: str) -> None:
    with pytest.raises(ManifestError) as refused:
        parse_either(json.dumps({"version": 1, key: SMALLEST}).encode())
    found = {fault.path: fault for fault in refused.value.faults}
    assert found.keys() == {"$.workbench", f"$.{key}"}
    assert found["$.workbench"].problem == "is missing"
    assert found[f"$.{key}"].nearest == "workbench"


def test_a_limit_that_no_smaller_workbench_keeps_is_to_be_raised_and_nothing_else() -> None:
    assert fault_of({"version": 1, "workbench": SMALLEST | {"max_cost_eur": 0.5}}) == Fault(
        "$.workbench.max_cost_eur",
        "is 0.5, but a workbench of 2 workers and a primary of m5.xlarge for 4 hours, and 6 minutes to be "
        "stopped, may cost 3.25 EUR (an estimate from the dearest region's list prices of 2025-06)",
        "Raise this to 3.25.",
    )


def test_what_it_may_cost_is_all_of_its_hours_and_each_way_out_is_one() -> None:
    cost = worst_case_eur(("m5.2xlarge",), 4, 8 * 60)
    dear = {"hours": 8, "workers": 4, "instance_type": "m5.2xlarge", "max_cost_eur": 7.0}
    fault = fault_of({"version": 1, "workbench": SMALLEST | dear})
    assert fault.path == "$.workbench.max_cost_eur"
    assert f"may cost {cost:.2f} EUR" in fault.problem
    raised = math.ceil(cost * 100) / 100
    assert fault.remedy == (
        f"Either lower workbench.hours to 2, or lower workbench.workers to 0, or raise this to {raised:.2f}."
    ).replace(", or lower workbench.workers to 0", "")
    for way in ({"hours": 2}, {"max_cost_eur": raised}):
        assert parse(**dear | way)


def test_fewer_workers_are_a_way_out_where_they_are_enough() -> None:
    dear = {"hours": 4, "workers": 9, "max_cost_eur": 4.0}
    fault = fault_of({"version": 1, "workbench": SMALLEST | dear})
    assert "lower workbench.workers to 2," in fault.remedy
    assert parse(**dear | {"workers": 2})


@pytest.mark.parametrize(
    ("eur", "remedy"),
    [
        # Three machines at 0.2641 EUR an hour: 3.249 for four hours and six minutes, 0.872 for one.
        (0.87, "Raise this to 3.25."),
        (0.872, "Either lower workbench.hours to 1, or raise this to 3.25."),
        # Two machines for four hours.
        (2.166, "Either lower workbench.hours to 2, or lower workbench.workers to 1, or raise this to 3.25."),
    ],
)
def test_the_fewest_hours_and_workers_that_are_a_way_out_are_one(eur: float, remedy: str) -> None:
    assert fault_of({"version": 1, "workbench": SMALLEST | {"max_cost_eur": eur}}).remedy == remedy


def test_a_limit_that_is_just_what_it_may_cost_is_kept() -> None:
    cost = worst_case_eur(("m5.xlarge",), 2, 4 * 60)
    assert parse(max_cost_eur=cost).max_cost_eur == cost


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b'{"last_active_at": 12}', 12.0),
        (b'{"last_active_at": 0}', 0.0),
        (b'{"last_active_at": 12.5, "kernels": 1}', 12.5),
        (b'{"last_active_at": true}', None),
        (b'{"last_active_at": -1}', None),
        (b'{"last_active_at": Infinity}', None),
        (b'{"last_active_at": "noon"}', None),
        (b"{}", None),
        (b"[", None),
        (None, None),
    ],
)
def test_when_a_kernel_was_busy_is_told_by_a_time_alone(written: bytes | None, told: float | None) -> None:
    assert last_active_at(written) == told


@pytest.mark.parametrize(
    ("document", "is_one"),
    [
        ([], False),
        ("workbench", False),
        ({"workbench": {}}, True),
        ({"workbnech": {}}, True),
        ({"workbnech": {}, "dataset": "d"}, False),
        ({"workbnech": {}, "images": {}}, False),
        ({"workbench": {}, "dataset": "d"}, True),
        ({"dataset": "d", "images": {}}, False),
    ],
)
def test_a_workbench_is_asked_for_by_its_key_or_one_that_is_nearly_right(
    document: object, *, is_one: bool
) -> None:
    assert is_workbench_document(document) is is_one
