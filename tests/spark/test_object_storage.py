from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.report import QuarantineReason
from spark.datasets import object_store
from spark.datasets.index import ImageRef
from spark.datasets.unreadable import ObjectUnreadableError
from spark.errors import StepFailedError, raised_by_worker
from spark.features.prefetch import Refused, Stopwatch, featurize_images
from tests.spark.s3_endpoint import S3Answer, serving

LINE = st.text(st.characters(categories=("L", "N", "P")), min_size=1)


class FlakyBucket(ThreadingHTTPServer):
    """An S3 endpoint that answers each GET with the next status of a list, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.statuses: list[int] = []
        self.error = "<Error><Code>Injected</Code></Error>"
        self.requests = 0


class _Answer(S3Answer):
    server: FlakyBucket

    def found(self) -> tuple[bytes, int]:
        self.server.requests += 1
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        body = b"content" if status == 200 else self.server.error.encode()
        return body, status


@pytest.fixture
def bucket() -> Iterator[FlakyBucket]:
    server = FlakyBucket()
    with serving(server):
        yield server


def test_a_throttled_read_is_retried(bucket: FlakyBucket) -> None:
    bucket.statuses = [503, 500]
    assert object_store.read_uri("s3://photos/a.jpg") == b"content"
    assert bucket.requests == 3


def test_a_refused_read_says_who_must_allow_it(bucket: FlakyBucket) -> None:
    bucket.statuses = [403]
    with pytest.raises(
        StepFailedError, match=r"not allowed to read s3://photos/a\.jpg.*instance role"
    ) as caught:
        object_store.read_uri("s3://photos/a.jpg")
    assert caught.value.error.kind == "aws"


@pytest.mark.parametrize(
    ("told", "where"),
    [
        ("<StorageClass>GLACIER</StorageClass>", "archived in GLACIER: restore it"),
        (
            "<StorageClass>INTELLIGENT_TIERING</StorageClass><AccessTier>ARCHIVE_ACCESS</AccessTier>",
            "archived in INTELLIGENT_TIERING, ARCHIVE_ACCESS: restore it",
        ),
        ("", "archived in a storage class of S3's archive: restore it"),
    ],
)
def test_an_archived_image_is_told_with_its_class_and_remedy_and_blames_no_permission(
    told: str, where: str, bucket: FlakyBucket
) -> None:
    bucket.statuses, bucket.error = [403], f"<Error><Code>InvalidObjectState</Code>{told}</Error>"
    with pytest.raises(ObjectUnreadableError) as caught:
        object_store.read_if_below("s3://photos/a.jpg", 100, lambda: None)
    assert caught.value.reason is QuarantineReason.ARCHIVED
    assert caught.value.detail.startswith(where)
    assert "permission" not in caught.value.detail
    assert bucket.requests == 1


def test_an_archived_plan_or_model_ends_the_step_with_the_same_remedy(bucket: FlakyBucket) -> None:
    bucket.statuses = [403]
    bucket.error = "<Error><Code>InvalidObjectState</Code><StorageClass>DEEP_ARCHIVE</StorageClass></Error>"
    with pytest.raises(StepFailedError, match="it is archived in DEEP_ARCHIVE: restore it") as caught:
        object_store.read_uri("s3://photos/model.npz")
    assert caught.value.error.kind == "data"


@pytest.mark.parametrize("key", ["a//b.jpg", "../b.jpg", "tab\t.jpg", "/b.jpg"])
def test_an_image_whose_key_no_client_can_address_is_told_without_asking(
    key: str, bucket: FlakyBucket
) -> None:
    with pytest.raises(ObjectUnreadableError) as caught:
        object_store.read_if_below(f"s3://photos/{key}", 100, lambda: None)
    assert caught.value.reason is QuarantineReason.UNADDRESSABLE
    assert "copy the object to another key" in caught.value.detail
    assert bucket.requests == 0


def test_a_task_quarantines_what_is_archived_or_cannot_be_addressed_image_by_image(
    bucket: FlakyBucket,
) -> None:
    bucket.statuses, bucket.error = [403], "<Error><Code>InvalidObjectState</Code></Error>"
    images = [ImageRef("s3://photos/a//b.jpg"), ImageRef("s3://photos/ice.jpg")]
    outcomes = featurize_images(images, 96, lambda pixels: pixels, Stopwatch())
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert [each.rejected.reason for each in refused] == [
        QuarantineReason.UNADDRESSABLE,
        QuarantineReason.ARCHIVED,
    ]
    assert all("restore it" in each.rejected.detail for each in refused[1:])


def test_a_missing_object_is_no_failure_of_the_store(bucket: FlakyBucket) -> None:
    bucket.statuses = [404]
    with pytest.raises(FileNotFoundError):
        object_store.read_uri("s3://photos/a.jpg")


def test_the_body_of_a_too_large_object_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(11))
    retries: list[None] = []
    assert object_store.read_if_below(f"file://{tmp_path}/large", 10, lambda: retries.append(None)) == 11
    assert object_store.read_if_below(f"file://{tmp_path}/large", 11, lambda: retries.append(None)) == bytes(
        11
    )
    assert not retries


def test_reads_of_images_are_retried_and_counted(bucket: FlakyBucket) -> None:
    bucket.statuses = [503, 500]
    retries: list[None] = []
    assert object_store.read_if_below("s3://photos/a.jpg", 100, lambda: retries.append(None)) == b"content"
    assert len(retries) == 2
    assert bucket.requests == 3


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_not_transient_is_not_tried_again(bucket: FlakyBucket, status: int) -> None:
    bucket.statuses = [status]
    retries: list[None] = []
    with pytest.raises((StepFailedError, FileNotFoundError)):
        object_store.read_if_below("s3://photos/a.jpg", 100, lambda: retries.append(None))
    assert not retries


def test_only_the_first_writer_creates_an_object(tmp_path: Path) -> None:
    store = object_store.open_store(f"file://{tmp_path}")
    assert object_store.write_if_absent(store, "a/b", b"first")
    assert not object_store.write_if_absent(store, "a/b", b"second")
    assert object_store.read(store, "a/b") == b"first"


@pytest.mark.parametrize("name", ["a b", "é", "100%", "x%20y", "a#b?", "a+b", "[1]", "~", ".hidden"])
def test_names_are_taken_literally(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(name.encode())
    [(uri, size, _)] = object_store.list_below(f"file://{tmp_path}")
    assert uri == f"file://{tmp_path}/{name}"
    assert size == len(name.encode())
    assert object_store.read_uri(uri) == name.encode()


def test_a_name_that_cannot_be_addressed_is_named(tmp_path: Path) -> None:
    (tmp_path / "new\nline.jpg").write_bytes(b"1")
    with pytest.raises(StepFailedError, match="rename that object"):
        list(object_store.list_below(f"file://{tmp_path}"))


def test_another_scheme_is_refused() -> None:
    with pytest.raises(StepFailedError, match="cannot read 'https://"):
        object_store.read_uri("https://example.com/a.jpg")


@given(kind=st.sampled_from(["user", "data", "aws", "ours"]), message=LINE, remedy=LINE)
def test_a_workers_failure_reaches_the_driver_through_its_traceback(
    kind: str, message: str, remedy: str
) -> None:
    failure = StepFailedError(kind, message, remedy)
    text = (
        f"Traceback (most recent call last):\n  File x\nspark.errors.StepFailedError: {failure}\n\n\tat org.x"
    )
    found = raised_by_worker(f"org.apache.spark.SparkException: Job aborted\n{text}")
    assert found is not None
    assert found.error == failure.error
