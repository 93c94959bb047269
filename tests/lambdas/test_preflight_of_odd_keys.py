"""What cannot be read, and what is no image, among the keys that a manifest names."""

from __future__ import annotations

import pytest

from lambdas.contract.manifest.faults import Fault
from lambdas.contract.object_keys import printable

from .fakes import FakeBuckets
from .preflights import DATA, OTHER, counted, looked_at, only_fault

BAD_NAMES = ["apple//2.jpg", "./2.jpg", "apple/../2.jpg", "tab\t2.jpg", "new\nline.jpg", "del\x7f2.jpg"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_an_image_that_no_store_client_can_address_costs_itself_and_is_told_with_its_key(
    name: str, buckets: FakeBuckets
) -> None:
    buckets.keys[OTHER] = ["images/apple/1.jpg", f"images/{name}"]
    found = looked_at(buckets, prefixes=[f"s3://{OTHER}/images/"])
    assert counted(found) == 2
    [note] = found.listing.notes()
    assert f"{OTHER}/images/{printable(name)}' holds" in note
    assert "Rename what is to be read." in note


@pytest.mark.parametrize("name", [name.replace(".jpg", ".txt") for name in BAD_NAMES])
def test_an_object_that_is_no_image_never_matters_whatever_its_key(name: str, buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["images/apple/1.jpg", f"images/{name}"]
    found = looked_at(buckets, prefixes=[f"s3://{OTHER}/images/"])
    assert (counted(found), found.listing.unaddressable) == (1, 0)


def test_where_no_image_can_be_read_nothing_is_launched(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["ice/1.jpg", "ice//2.jpg", "ice/3.txt"]
    buckets.archived = {"ice/1.jpg": "GLACIER"}
    fault = only_fault(buckets, f"s3://{OTHER}/ice/")
    assert fault == Fault(
        "$.images.prefixes",
        "name 2 images, of which none can be read. 1 object was left out for the suffix (.txt 1). 1 image is "
        "quarantined, because no store client can address such a key: 's3://other-bucket/ice//2.jpg' holds "
        "an empty folder name ('//', or '/' as its first character). Rename what is to be read. 1 image is "
        "quarantined unless restored meanwhile: archived in GLACIER (1), for example "
        "'s3://other-bucket/ice/1.jpg'. To have features of such an image, restore it (`aws s3api "
        "restore-object`) or copy it to another class, then start a new run.",
        "Restore it (`aws s3api restore-object`) or copy it to another class, then start a new run.",
    )


def test_where_none_of_the_listed_keys_can_be_read_nothing_is_launched(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["ice/1.jpg"]
    buckets.archived = {"ice/1.jpg": "GLACIER"}
    (fault,) = looked_at(buckets, keys=[f"s3://{OTHER}/ice/1.jpg"]).faults
    assert fault.path == "$.images.keys"
    assert fault.problem.startswith("name 1 image, which cannot be read.")


def test_where_no_image_can_be_addressed_they_are_to_be_renamed(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["ice//2.jpg"]
    fault = only_fault(buckets, f"s3://{OTHER}/ice/")
    assert fault.problem.startswith("name 1 image, which cannot be read. 1 image is quarantined")
    assert fault.remedy == "Rename the objects and upload the manifest again."


def test_where_counting_stopped_early_the_rest_may_be_readable(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["ice/1.jpg"]
    buckets.archived = {"ice/1.jpg": "GLACIER"}
    assert counted(looked_at(buckets, in_time=False, prefixes=[f"s3://{OTHER}/ice/"])) == 1


def test_archived_images_are_told_by_storage_class_and_the_others_are_run(buckets: FakeBuckets) -> None:
    buckets.archived = {"images/apple/2.JPG": "DEEP_ARCHIVE"}
    found = looked_at(buckets, prefixes=[f"s3://{DATA}/images/"])
    assert (counted(found), found.listing.archived) == (2, {"DEEP_ARCHIVE": 1})
    keys = [f"s3://{DATA}/images/apple/1.jpg", f"s3://{DATA}/images/apple/2.JPG"]
    by_key = looked_at(buckets, keys=keys)
    assert (counted(by_key), by_key.listing.archived) == (2, {"DEEP_ARCHIVE": 1})


def test_what_file_managers_leave_behind_is_counted_as_skipped_and_as_no_image(buckets: FakeBuckets) -> None:
    junk = ["__MACOSX/apple/._x.jpg", "apple/._y.jpg", "apple/.DS_Store", "apple/Thumbs.db", "desktop.ini"]
    buckets.keys[OTHER] = [f"images/{name}" for name in ["apple/x.jpg", "apple/y.jpg", "cat.jpg/", *junk]]
    found = looked_at(buckets, prefixes=[f"s3://{OTHER}/images/"])
    assert counted(found) == 2
    assert found.listing.skipped == {"junk": 5, "placeholder": 1}


def test_a_place_that_holds_nothing_but_junk_says_so(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["a/._1.jpg", "a/"]
    buckets.keys[OTHER] += ["b/2.jpg"]
    assert only_fault(buckets, f"s3://{OTHER}/a/") == Fault(
        "$.images.prefixes[0]",
        f"is s3://{OTHER}/a/, where no image was found. 1 object was skipped as what file managers leave "
        "behind (__MACOSX/, ._*, .DS_Store, Thumbs.db, desktop.ini). 1 object was skipped for a key that "
        "ends with '/', as a folder's placeholder.",
        "Upload the images first, or name another prefix.",
    )


def test_suffixes_that_the_manifest_does_not_name_are_told_beside_images(buckets: FakeBuckets) -> None:
    left_out = [*(f"a/{n}.webp" for n in range(500)), *(f"a/{n}.jfif" for n in range(20))]
    buckets.keys[OTHER] = [*left_out, "a/1.jpg", "a/2.jpg", "a/3.jpg"]
    found = looked_at(buckets, prefixes=[f"s3://{OTHER}/a/"], suffixes=[".jpg"])
    assert counted(found) == 3
    assert found.listing.notes() == (
        "520 objects were left out for the suffix (.webp 500, .jfif 20); images.suffixes would take .webp, "
        ".jfif.",
    )


def test_a_backslash_where_a_folder_was_meant_is_told(buckets: FakeBuckets) -> None:
    buckets.keys[OTHER] = ["images/apple\\3.jpg", "images/pear/4.jpg"]
    [note] = looked_at(buckets, prefixes=[f"s3://{OTHER}/images/"]).listing.notes()
    assert note.startswith("1 key holds a backslash, for example 's3://other-bucket/images/apple\\3.jpg'")
    [note] = looked_at(buckets, keys=[f"s3://{OTHER}/images/apple\\3.jpg"]).listing.notes()
    assert note.startswith("1 key holds a backslash")
