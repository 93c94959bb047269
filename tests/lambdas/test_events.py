"""What S3 says of manifests is read as it is meant: names, versions, order, deletions."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.launcher.accept import Upload
from lambdas.launcher.events import Heard, heard_of
from lambdas.launcher.withdraw import Deletion

TIME = "2026-01-02T03:04:05.678Z"


def told(name: str, key: str = "manifests/a.json", **of_object: str) -> dict[str, Any]:
    """One record of an event."""
    described = {"key": key, "versionId": "v1", "sequencer": "0A", **of_object}
    return {"eventName": name, "eventTime": TIME, "s3": {"bucket": {"name": "data"}, "object": described}}


def heard(*records: dict[str, Any]) -> Heard:
    return heard_of({"Records": list(records)})


@pytest.mark.parametrize(
    "name", ["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload"]
)
def test_every_way_to_create_an_object_is_an_upload(name: str) -> None:
    assert heard(told(name)) == Heard((Upload("manifests/a.json", "v1", TIME, "0A"),), ())


def test_names_are_told_as_in_a_web_address_and_read_as_they_are() -> None:
    (upload,) = heard(told("ObjectCreated:Put", "manifests/my+team/%C3%A4pfel+%2B+birnen.json")).changes
    assert upload.key == "manifests/my team/äpfel + birnen.json"


def test_a_delete_marker_hides_every_version() -> None:
    (deletion,) = heard(told("ObjectRemoved:DeleteMarkerCreated", versionId="of-the-marker")).changes
    assert deletion == Deletion("manifests/a.json", None, "0A")


def test_the_deletion_of_a_version_names_that_version() -> None:
    (deletion,) = heard(told("ObjectRemoved:Delete")).changes
    assert deletion == Deletion("manifests/a.json", "v1", "0A")


def test_an_object_of_before_versioning_has_the_version_that_s3_calls_null() -> None:
    record = told("ObjectCreated:Put")
    del record["s3"]["object"]["versionId"], record["s3"]["object"]["sequencer"]
    assert heard(record).changes == (Upload("manifests/a.json", "null", TIME, ""),)


def test_changes_come_in_the_order_in_which_they_are_told() -> None:
    both = heard(told("ObjectCreated:Put"), told("ObjectRemoved:DeleteMarkerCreated"))
    assert [type(change) for change in both.changes] == [Upload, Deletion]


def test_what_is_no_manifest_is_ignored_by_name_and_the_rest_is_not() -> None:
    both = heard(told("ObjectCreated:Put", "images/a.json"), told("ObjectCreated:Put"))
    assert [change.key for change in both.changes] == ["manifests/a.json"]
    (why,) = both.ignored
    assert why.startswith("'images/a.json' is not a manifest key")


def test_the_test_event_that_s3_sends_says_nothing() -> None:
    assert heard_of({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "data"}) == Heard((), ())
