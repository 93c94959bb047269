"""`fruits submit`, against a real local AWS: what is sent, and what is not sent again."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.ministack import MiniStack
from lambdas.aws.uploads import S3Uploads
from lambdas.cli.photo_folder import Photo, read_folder
from lambdas.cli.result import ExitCode
from lambdas.cli.upload import IN_MEMORY_BYTES, jobs, upload
from lambdas.contract.run import run_id

from .deployed import Deployed
from .submitting import PHOTOS, PREFIX, said_by, submitted, versions, write


def test_a_folder_becomes_objects_and_a_manifest_and_the_run_that_this_asks_for(
    deployed: Deployed, bucket: str, photos: Path
) -> None:
    code, (plan, done), _ = submitted(deployed, photos)
    assert code == ExitCode.OK
    assert (plan["images"], plan["photos"], plan["photos_seem_there"]) == (PHOTOS, PHOTOS, 0)
    assert plan["eur"] > 0
    assert (done["photos_sent"], done["photos_unchanged"]) == (PHOTOS, 0)
    kept = deployed.s3.get_object(Bucket=bucket, Key=f"{PREFIX}class 1/1.jpg", ChecksumMode="ENABLED")
    body = kept["Body"].read()
    assert body == (photos / "class 1" / "1.jpg").read_bytes()
    assert base64.b64decode(kept["ChecksumSHA256"]) == hashlib.sha256(body).digest()
    assert kept["ContentType"] == "image/jpeg"
    manifest = deployed.s3.get_object(Bucket=bucket, Key="manifests/apples.json")
    assert json.load(manifest["Body"])["images"] == {"prefixes": [f"s3://{bucket}/{PREFIX}"]}
    assert done["run_id"] == run_id("apples", bucket, "manifests/apples.json", manifest["VersionId"])


def test_people_are_told_what_it_will_be_before_and_how_to_go_on_after(
    deployed: Deployed, bucket: str, photos: Path
) -> None:
    code, said = said_by(deployed, str(photos), "--dataset", "apples", "--yes")
    assert code == ExitCode.OK
    before, after = said.split("Sent 8 photos; 0 were there, unchanged.")
    for word in (
        f"upload   8 photos, 104 bytes, to s3://{bucket}/{PREFIX}",
        "images   8 in",
        "EUR at most",
    ):
        assert word in before
    assert "fruits status apples-" in after
    assert "8 of 8 photos" in after


def test_what_is_there_unchanged_is_not_sent_again(deployed: Deployed, bucket: str, photos: Path) -> None:
    submitted(deployed, photos)
    (photos / "class 0" / "0.jpg").write_bytes(b"class 0/X.jpg")  # of the same length
    (photos / "class 0" / "3.jpg").write_bytes(b"longer than it was")
    write(photos, "class 9/new.jpg")
    _, (plan, done), _ = submitted(deployed, photos)
    assert (plan["images"], plan["photos_seem_there"]) == (PHOTOS + 1, PHOTOS - 1)
    assert (done["photos_sent"], done["photos_unchanged"]) == (3, PHOTOS - 2)
    changed = {f"{PREFIX}class 0/0.jpg", f"{PREFIX}class 0/3.jpg"}
    assert {key for key, times in versions(deployed).items() if times > 1} == changed


def test_an_object_of_which_nobody_told_the_hash_is_sent_once_more(
    deployed: Deployed, bucket: str, tmp_path: Path
) -> None:
    folder = write(tmp_path, "a/1.jpg")
    deployed.s3.put_object(Bucket=bucket, Key=f"{PREFIX}a/1.jpg", Body=b"a/1.jpg")
    assert submitted(deployed, folder)[1][1]["photos_sent"] == 1
    assert submitted(deployed, folder)[1][1]["photos_sent"] == 0


def test_a_file_too_large_for_memory_is_sent_and_recognised_too(
    deployed: Deployed, bucket: str, tmp_path: Path
) -> None:
    folder = write(tmp_path, "a/1.jpg")
    (folder / "a" / "2.jpg").write_bytes(bytes(IN_MEMORY_BYTES + 1))
    assert submitted(deployed, folder)[1][1]["photos_sent"] == 2
    assert submitted(deployed, folder)[1][1]["photos_unchanged"] == 2


def breaks_after(count: int, error: BaseException) -> Callable[..., None]:
    """A way to send that fails once so many photos were sent."""
    send, lock, sent = S3Uploads.send, threading.Lock(), []

    def sending(self: S3Uploads, key: str, *rest: Any) -> None:
        with lock:
            if len(sent) == count:
                raise error
            sent.append(key)
        send(self, key, *rest)

    return sending


REFUSED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "code", "why"),
    [
        (KeyboardInterrupt(), 130, "stopped: "),
        (REFUSED, ExitCode.UNAVAILABLE, "your AWS credentials may not do this: "),
        (
            FileNotFoundError(2, "No such file or directory", "a.jpg"),
            ExitCode.USAGE,
            "a.jpg cannot be read: ",
        ),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_was_broken_off_says_how_to_go_on_and_then_sends_only_the_rest(
    error: BaseException,
    code: int,
    why: str,
    deployed: Deployed,
    bucket: str,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(S3Uploads, "send", breaks_after(PHOTOS // 2, error))
        told, _, said = submitted(deployed, photos)
    assert told == code
    assert f"fruits: {why}" in said
    assert "4 of 8 photos are in the bucket; the same command goes on from there" in said
    assert versions(deployed, "manifests/") == {}
    assert submitted(deployed, photos)[1][1]["photos_sent"] == PHOTOS // 2
    assert set(versions(deployed).values()) == {1}


def test_other_images_of_the_data_set_are_counted_and_told(
    deployed: Deployed, bucket: str, tmp_path: Path
) -> None:
    deployed.s3.put_object(Bucket=bucket, Key=f"{PREFIX}old/1.jpg", Body=b"x")
    _, (plan, _), _ = submitted(deployed, write(tmp_path, "a/1.jpg"))
    assert plan["images"] == 2
    assert any(note.startswith("1 object below ") for note in plan["notes"])


def test_suffixes_that_are_not_usual_are_taken(deployed: Deployed, bucket: str, tmp_path: Path) -> None:
    _, (plan, _), _ = submitted(deployed, write(tmp_path, "a/1.webp", "a/2.TIF", "a/3.txt"))
    assert plan["images"] == 2
    assert "1 file left out for the suffix (.txt 1)." in plan["notes"]


def test_a_manifest_is_submitted_as_it_is(deployed: Deployed, bucket: str, tmp_path: Path) -> None:
    deployed.s3.put_object(Bucket=bucket, Key=f"{PREFIX}a/1.jpg", Body=b"x")
    file = tmp_path / "any name.json"
    file.write_text(
        '{"version": 1, "dataset": "apples",\n'
        f'"images": {{"prefixes": ["s3://{bucket}/{PREFIX}"]}}, "pca": {{"components": 5}}}}'
    )
    code, out, _ = deployed.run("submit", str(file), "--yes", "--json")
    plan, done = map(json.loads, out.splitlines())
    assert (code, plan["images"]) == (ExitCode.OK, 1)
    assert done["manifest"] == f"s3://{bucket}/manifests/apples.json"
    kept = deployed.s3.get_object(Bucket=bucket, Key="manifests/apples.json")
    assert kept["Body"].read() == file.read_bytes()


def test_a_workbench_is_asked_for_by_its_manifest(deployed: Deployed, bucket: str, tmp_path: Path) -> None:
    deployed.environment["FRUITS_WORKBENCH_ADDRESS"] = "door.example.org"
    file = tmp_path / "workbench.json"
    file.write_text('{"version": 1, "workbench": {"name": "explore"}}')
    code, out, _ = deployed.run("submit", str(file), "--yes", "--json")
    started = json.loads(out.splitlines()[-1])
    assert code == ExitCode.OK
    assert started["manifest"] == f"s3://{bucket}/manifests/workbench.explore.json"
    key, version = "manifests/workbench.explore.json", started["version_id"]
    assert started["run_id"] == run_id("workbench.explore", bucket, key, version)


def test_photos_that_are_not_sent_do_not_count_as_sent_while_others_fail(
    ministack: MiniStack, bucket: str, photos: Path
) -> None:
    """Of a file that vanishes, the others are let finish, and the error is the file's own."""
    uploads = S3Uploads(ministack.client("s3"), bucket)
    wanted = jobs(read_folder(photos).photos, PREFIX, {})
    gone = dataclasses.replace(wanted[3].photo, path=Path("no/such.jpg"))
    told: list[Photo] = []
    wanted[3] = dataclasses.replace(wanted[3], photo=gone)
    with pytest.raises(FileNotFoundError, match=r"no/such\.jpg"):
        upload(uploads, wanted, lambda photo, sent: told.append(photo))
    assert {PREFIX + photo.name for photo in told} == set(uploads.below(PREFIX))
