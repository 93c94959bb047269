"""Before anything is paid for, every place that the manifest names is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.contract.manifest.faults import Fault
from lambdas.contract.manifest.schema import Images
from lambdas.runs import preflight as survey_module
from lambdas.runs.preflight import Preflight, preflight

from .fakes import FakeBuckets

DATA, OTHER = "data-bucket", "other-bucket"


@pytest.fixture
def buckets() -> FakeBuckets:
    buckets = FakeBuckets({DATA: "eu-west-1", OTHER: "eu-west-1"})
    buckets.keys[DATA] = ["images/", "images/apple/1.jpg", "images/apple/2.JPG", "images/notes.txt"]
    buckets.keys[OTHER] = ["pears/1.png", "pears/2.webp"]
    return buckets


def surveyed(buckets: FakeBuckets, *, in_time: bool = True, **images: Any) -> Preflight:
    return preflight(Images(**images), DATA, buckets, lambda: not in_time)


def only_fault(buckets: FakeBuckets, *prefixes: str, **images: Any) -> Fault:
    (fault,) = surveyed(buckets, prefixes=prefixes, **images).faults
    return fault


def test_images_are_counted_by_suffix_in_any_case_and_folder_markers_are_none(buckets: FakeBuckets) -> None:
    assert surveyed(buckets, prefixes=[f"s3://{DATA}/images/", f"s3://{OTHER}/pears/"]) == Preflight((), 3)


def test_nothing_below_a_prefix_is_a_fault_with_the_nearest_folder(buckets: FakeBuckets) -> None:
    fault = only_fault(buckets, f"s3://{DATA}/images/aple/")
    assert fault.path == "$.images.prefixes[0]"
    assert "there is nothing below it" in fault.problem
    assert fault.nearest == f"s3://{DATA}/images/apple/"


def test_only_other_suffixes_below_a_prefix_is_a_fault_that_names_them(buckets: FakeBuckets) -> None:
    fault = only_fault(buckets, f"s3://{OTHER}/pears/", suffixes=[".jpg"])
    assert "2 objects, but none ends in .jpg; suffixes seen: .png, .webp" in fault.problem


def test_one_empty_prefix_among_several_is_still_a_fault(buckets: FakeBuckets) -> None:
    fault = only_fault(buckets, f"s3://{DATA}/images/", f"s3://{OTHER}/plums/")
    assert fault.path == "$.images.prefixes[1]"


def test_a_missing_bucket_is_named(buckets: FakeBuckets) -> None:
    fault = only_fault(buckets, "s3://no-such-bucket/images/")
    assert "no-such-bucket, which does not exist" in fault.problem


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-2", "eu-central-2"])
@pytest.mark.parametrize("closed", [False, True])
def test_a_bucket_outside_the_eu_is_refused_even_if_it_is_closed_to_us(
    buckets: FakeBuckets, region: str, closed: bool
) -> None:
    buckets.regions[OTHER] = region
    buckets.closed = {OTHER} if closed else set()
    fault = only_fault(buckets, f"s3://{OTHER}/pears/")
    assert region in fault.problem
    assert "eu-west-1 (Ireland)" in fault.remedy


def test_a_bucket_of_another_eu_region_is_refused_because_the_steps_cannot_read_it(
    buckets: FakeBuckets,
) -> None:
    buckets.regions[OTHER] = "eu-west-3"
    fault = only_fault(buckets, f"s3://{OTHER}/pears/")
    assert "in eu-west-3, but the stack runs in eu-west-1" in fault.problem


def test_a_closed_bucket_is_answered_with_the_setting_that_opens_it(buckets: FakeBuckets) -> None:
    buckets.closed = {OTHER}
    fault = only_fault(buckets, f"s3://{OTHER}/pears/")
    assert "`imageBuckets`" in fault.remedy


def test_a_bucket_at_fault_is_reported_once_however_often_it_is_named(buckets: FakeBuckets) -> None:
    fault = only_fault(buckets, f"s3://{DATA}/images/", "s3://nope-a/x/", "s3://nope-a/y/")
    assert fault.path == "$.images.prefixes[1]"


@pytest.mark.parametrize("prefix", ["", "Results/", "runs/", "manifests/"])
def test_in_the_data_bucket_only_images_are_inputs(buckets: FakeBuckets, prefix: str) -> None:
    fault = only_fault(buckets, f"s3://{DATA}/{prefix}")
    assert "images are below images/ only" in fault.problem


def test_explicit_keys_are_looked_for_exactly(buckets: FakeBuckets) -> None:
    keys = [f"s3://{DATA}/images/apple/1.jpg", f"s3://{DATA}/images/apple/1", f"s3://{OTHER}/nothing.jpg"]
    result = surveyed(buckets, keys=keys)
    assert [fault.path for fault in result.faults] == ["$.images.keys[1]", "$.images.keys[2]"]
    assert result.faults[0].nearest == f"s3://{DATA}/images/apple/1.jpg"
    assert surveyed(buckets, keys=keys[:1]) == Preflight((), 1)


def test_only_the_first_explicit_keys_are_looked_for(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = [f"{number:04d}.jpg" for number in range(survey_module.KEYS_CHECKED)]
    keys = [f"s3://{OTHER}/{number:04d}.jpg" for number in range(survey_module.KEYS_CHECKED + 50)]
    assert surveyed(buckets, keys=keys) == Preflight((), survey_module.KEYS_CHECKED + 50)


def test_counting_stops_at_its_limit(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = [f"{number:06d}.jpg" for number in range(survey_module.COUNT_LIMIT + 5000)]
    assert surveyed(buckets, prefixes=[f"s3://{OTHER}/"]) == Preflight((), survey_module.COUNT_LIMIT)
    assert buckets.pages_listed == survey_module.COUNT_LIMIT // 1000


def test_counting_stops_when_time_is_up_and_leaves_the_rest_to_the_run(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = [f"{number:06d}.txt" for number in range(5000)]
    assert surveyed(buckets, in_time=False, prefixes=[f"s3://{OTHER}/"]) == Preflight((), 0)
    assert buckets.pages_listed == 1
