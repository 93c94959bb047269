"""Before anything is paid for, every place that the manifest names is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdas.contract.manifest.faults import Fault
from lambdas.contract.manifest.schema import Images
from lambdas.contract.regions import allowed_regions
from lambdas.runs import preflight as preflight_module
from lambdas.runs.ports import BucketDenied, Found
from lambdas.runs.preflight import preflight

from .fakes import FakeBuckets
from .preflights import DATA, OTHER, counted, looked_at, only_fault


def test_images_are_counted_by_suffix_in_any_case_and_folder_markers_are_none(buckets: FakeBuckets) -> None:
    assert counted(looked_at(buckets, prefixes=[f"s3://{DATA}/images/", f"s3://{OTHER}/pears/"])) == 3


def test_nothing_below_a_prefix_is_a_fault_with_the_nearest_folder(buckets: FakeBuckets) -> None:
    fault = only_fault(buckets, f"s3://{DATA}/images/aple/")
    assert fault.path == "$.images.prefixes[0]"
    assert "there is nothing below it" in fault.problem
    assert fault.nearest == f"s3://{DATA}/images/apple/"


def test_only_other_suffixes_below_a_prefix_is_a_fault_that_names_them(buckets: FakeBuckets) -> None:
    fault = only_fault(buckets, f"s3://{OTHER}/pears/", suffixes=[".jpg"])
    assert "2 objects, but none ends in .jpg; suffixes seen: .png 1, .webp 1" in fault.problem
    buckets.keys[OTHER].pop()
    fault = only_fault(buckets, f"s3://{OTHER}/pears/", suffixes=[".jpg"])
    assert fault.problem.endswith("found: 1 object, but none ends in .jpg; suffixes seen: .png 1")


def test_one_empty_prefix_among_several_is_still_a_fault(buckets: FakeBuckets) -> None:
    fault = only_fault(buckets, f"s3://{DATA}/images/", f"s3://{OTHER}/plums/")
    assert fault.path == "$.images.prefixes[1]"


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
    result = looked_at(buckets, keys=keys)
    assert [fault.path for fault in result.faults] == ["$.images.keys[1]", "$.images.keys[2]"]
    assert result.faults[0].nearest == f"s3://{DATA}/images/apple/1.jpg"
    assert counted(looked_at(buckets, keys=keys[:1])) == 1


def test_only_the_first_explicit_keys_are_looked_for(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = [f"{number:04d}.jpg" for number in range(preflight_module.KEYS_CHECKED)]
    keys = [f"s3://{OTHER}/{number:04d}.jpg" for number in range(preflight_module.KEYS_CHECKED + 50)]
    assert counted(looked_at(buckets, keys=keys)) == preflight_module.KEYS_CHECKED + 50


def test_counting_stops_at_its_limit(buckets: FakeBuckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_module, "COUNT_LIMIT", 3000)
    buckets.keys[OTHER] = [f"{number:06d}.jpg" for number in range(8000)]
    assert counted(looked_at(buckets, prefixes=[f"s3://{OTHER}/"])) == 3000
    assert buckets.pages_listed == 3


def test_counting_stops_when_time_is_up_and_leaves_the_rest_to_the_run(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = [f"{number:06d}.txt" for number in range(5000)]
    assert counted(looked_at(buckets, in_time=False, prefixes=[f"s3://{OTHER}/"])) == 0
    assert buckets.pages_listed == 1


def test_a_place_without_images_is_told_exactly(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["a/1.TXT", "a/2.txt", "a/3", "a/4.csv", "a/5.csv", "a/6.csv", "a/"]
    assert only_fault(buckets, f"s3://{OTHER}/a/", suffixes=[".jpg", ".Png"]) == Fault(
        "$.images.prefixes[0]",
        f"is s3://{OTHER}/a/, where no image was found: 6 objects, but none ends in .jpg, .Png; "
        "suffixes seen: .csv 3, .txt 2, none 1",
        "Set images.suffixes to the endings of your images, or name another prefix.",
    )
    assert only_fault(buckets, f"s3://{OTHER}/b/") == Fault(
        "$.images.prefixes[0]",
        f"is s3://{OTHER}/b/, where no image was found: there is nothing below it",
        "Upload the images first, or correct the prefix.",
        f"s3://{OTHER}/a/",
    )


def test_five_suffixes_are_named_at_most_the_most_frequent_first(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = [f"a/{n}.{'abcdef'[n]}" for n in range(6)] + ["a/7.f"]
    assert only_fault(buckets, f"s3://{OTHER}/a/").problem.endswith(".f 2, .a 1, .b 1, .c 1, .d 1")


def test_suffixes_match_in_any_case_on_either_side(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["a/1.JPG", "a/2.jpg", "a/3.jpg.txt"]
    assert counted(looked_at(buckets, prefixes=[f"s3://{OTHER}/a/"], suffixes=[".Jpg"])) == 2


def test_the_nearest_folder_is_looked_for_where_the_prefix_is(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["x/apples/1.jpg", "apples/1.jpg"]
    buckets.keys[DATA] = ["images/MAX/1.jpg"]
    assert only_fault(buckets, f"s3://{DATA}/images/X/").nearest == f"s3://{DATA}/images/MAX/"
    assert only_fault(buckets, f"s3://{OTHER}/x/apple/").nearest == f"s3://{OTHER}/x/apples/"
    assert only_fault(buckets, f"s3://{OTHER}/apple/").nearest == f"s3://{OTHER}/apples/"


def test_a_prefix_that_may_not_be_listed_is_a_fault_and_the_others_are_counted(buckets: FakeBuckets) -> None:
    closed_below = Guarded(buckets, "images/pear/")
    places = [f"s3://{DATA}/images/{name}/" for name in ("pear", "apple")]
    result = preflight(Images(prefixes=places), DATA, closed_below, lambda: False)
    assert result.images_listed == 2
    assert result.faults == (
        Fault(
            "$.images.prefixes[0]",
            f"is {places[0]}, but the stack may not list the bucket {DATA} there",
            "Check the name. If it is right, add the bucket to the stack's `imageBuckets` and run "
            "`pulumi up`.",
        ),
    )


def test_a_key_that_may_not_be_listed_is_a_fault_and_the_others_are_looked_for(buckets: FakeBuckets) -> None:
    keys = [f"s3://{DATA}/images/pear/1.jpg", f"s3://{DATA}/images/apple/9.jpg"]
    result = preflight(Images(keys=keys), DATA, Guarded(buckets, "images/pear/"), lambda: False)
    assert [fault.path for fault in result.faults] == ["$.images.keys[0]", "$.images.keys[1]"]
    assert result.faults[1] == Fault(
        "$.images.keys[1]", f"is {keys[1]}, but there is no such object", "Correct the key or remove it."
    )


def test_where_folders_may_not_be_listed_no_nearest_is_named(buckets: FakeBuckets) -> None:
    result = preflight(
        Images(prefixes=[f"s3://{DATA}/images/aple/"]), DATA, Guarded(buckets, "images/"), lambda: False
    )
    assert result.faults[0].nearest is None


def test_every_bucket_at_fault_is_told_exactly(buckets: FakeBuckets) -> None:
    buckets.regions |= {"in-paris": "eu-west-3", "in-london": "eu-west-2", "closed": "eu-west-1"}
    buckets.closed = {"closed", "of-unknown-region"}
    places = [f"s3://{name}/x/" for name in ("nope", "in-london", "closed", "of-unknown-region", "in-paris")]
    faults = looked_at(buckets, prefixes=[*places, f"s3://{DATA}/models/"]).faults
    assert [(fault.path, fault.problem, fault.nearest) for fault in faults] == [
        (
            "$.images.prefixes[5]",
            f"is s3://{DATA}/models/, but in this bucket images are below images/ only",
            f"s3://{DATA}/images/models/",
        ),
        ("$.images.prefixes[0]", "names the bucket nope, which does not exist", None),
        (
            "$.images.prefixes[1]",
            "names the bucket in-london, but its region 'eu-west-2' is London, and the United Kingdom left "
            "the EU in 2020 (Paris is eu-west-3)",
            None,
        ),
        (
            "$.images.prefixes[2]",
            "is s3://closed/x/, but the stack may not list the bucket closed there",
            None,
        ),
        (
            "$.images.prefixes[3]",
            "is s3://of-unknown-region/x/, but the stack may not list the bucket of-unknown-region there",
            None,
        ),
        (
            "$.images.prefixes[4]",
            "names the bucket in-paris in eu-west-3, but the stack runs in eu-west-1",
            None,
        ),
    ]
    assert [fault.remedy for fault in faults if "imageBuckets" not in fault.remedy] == [
        f"Copy the images to s3://{DATA}/images/... and name that place.",
        "Correct its name.",
        f"Copy what it holds to a bucket in one of: {allowed_regions()}.",
        "Copy what it holds to a bucket in eu-west-1, or deploy the stack in eu-west-3.",
    ]


def test_counting_goes_on_while_there_are_no_images_and_gives_up_after_many_pages() -> None:
    endless = Endless()
    result = preflight(Images(prefixes=[f"s3://{DATA}/images/"]), DATA, endless, lambda: False)
    assert endless.pages_asked == preflight_module.PAGES_PER_PREFIX
    assert "1,200 objects" in result.faults[0].problem


def test_what_earlier_prefixes_hold_counts_against_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_module, "COUNT_LIMIT", 100)
    pages = ManyPages(50)
    places = [f"s3://{DATA}/images/{name}/" for name in "abc"]
    result = preflight(Images(prefixes=places), DATA, pages, lambda: False)
    assert counted(result) == 200
    assert pages.pages_asked == [2, 1, 1]


def test_a_key_is_missing_where_nothing_at_all_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = FakeBuckets({DATA: "eu-west-1"})
    monkeypatch.setattr(nothing, "pages", lambda bucket, prefix: iter(()))
    (fault,) = looked_at(nothing, keys=[f"s3://{DATA}/images/1.jpg"]).faults
    assert (fault.path, fault.nearest) == ("$.images.keys[0]", None)


class Guarded(FakeBuckets):
    """Listing below one prefix is not allowed."""

    def __init__(self, buckets: FakeBuckets, prefix: str) -> None:
        super().__init__(buckets.regions)
        self.keys, self.prefix = buckets.keys, prefix

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
        if prefix.startswith(self.prefix) and prefix != "images/aple/":
            raise BucketDenied(self.regions[bucket])
        return super().pages(bucket, prefix)

    def folders(self, bucket: str, prefix: str) -> tuple[str, ...]:
        if prefix.startswith(self.prefix):
            raise BucketDenied(self.regions[bucket])
        return super().folders(bucket, prefix)


class Endless(FakeBuckets):
    """A page of one text after another, for ever."""

    def __init__(self) -> None:
        super().__init__({DATA: "eu-west-1"})
        self.pages_asked = 0

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
        while True:
            self.pages_asked += 1
            yield (Found("images/a.txt"),)


class ManyPages(FakeBuckets):
    """Every prefix has two pages, each of as many images."""

    def __init__(self, images: int) -> None:
        super().__init__({DATA: "eu-west-1"})
        self.page = (Found("images/a.jpg"),) * images
        self.pages_asked: list[int] = []

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
        self.pages_asked.append(0)
        for _ in range(2):
            self.pages_asked[-1] += 1
            yield self.page
