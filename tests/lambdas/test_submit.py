"""`fruits submit`, against a real local AWS: what is sent, what is not sent again, and what is said."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from infra.local.ministack import MiniStack
from lambdas.aws.uploads import S3Uploads
from lambdas.cli import submit
from lambdas.cli.dialogue import Terminal
from lambdas.cli.photo_folder import Photo, read_folder
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import connect
from lambdas.cli.submission import Submitted
from lambdas.cli.upload import IN_MEMORY_BYTES, jobs, upload
from lambdas.contract.run import Ending, RunState, run_id

from .deployed import Deployed
from .test_photo_folder import write
from .test_ports import new_bucket

PHOTOS = 8
PREFIX = "images/apples/"


@pytest.fixture
def bucket(deployed: Deployed) -> str:
    """Versioned, as the stack's is."""
    deployed.s3.put_bucket_versioning(Bucket=deployed.bucket, VersioningConfiguration={"Status": "Enabled"})
    return deployed.bucket


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write(tmp_path / "photos", *(f"class {number % 3}/{number}.jpg" for number in range(PHOTOS)))


def submitted(deployed: Deployed, folder: Path, *more: str) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the documents, and what was said beside them."""
    code, out, said = deployed.run("submit", str(folder), "--dataset", "apples", "--yes", "--json", *more)
    return code, [json.loads(line) for line in out.splitlines()], said


def said_by(deployed: Deployed, *arguments: str) -> tuple[int, str]:
    code, out, complained = deployed.run("submit", *arguments)
    return code, out + complained


def versions(deployed: Deployed, prefix: str = PREFIX) -> dict[str, int]:
    """How often each object was written."""
    counts: dict[str, int] = {}
    for page in deployed.s3.get_paginator("list_object_versions").paginate(
        Bucket=deployed.bucket, Prefix=prefix
    ):
        for version in page.get("Versions", ()):
            counts[version["Key"]] = counts.get(version["Key"], 0) + 1
    return counts


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


class Keyboard(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("Yes\n", 0), ("\n", 1), ("", 1)])
def test_nothing_is_sent_before_the_person_agrees(
    typed: str, code: int, deployed: Deployed, bucket: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Keyboard(typed))
    got, said = said_by(deployed, str(photos), "--dataset", "apples")
    assert got == code
    assert "Upload the photos and start the run? [y/N]" in said
    assert len(versions(deployed, "")) == (0 if code else PHOTOS + 1)
    assert ("Nothing was sent" in said) == bool(code)


def test_where_nobody_can_be_asked_the_option_for_scripts_is_named(
    deployed: Deployed, bucket: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, said = said_by(deployed, str(photos), "--dataset", "apples")
    assert code == ExitCode.USAGE
    assert "nobody here to ask; with --yes" in said
    assert versions(deployed, "") == {}


def test_bad_input_is_a_sentence_and_an_exit_code(deployed: Deployed, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    faulty = tmp_path / "manifest.json"
    faulty.write_text('{"version": 1, "dataset": "apples"}')
    for arguments, code, sentence in [
        ([str(tmp_path / "empty"), "--dataset", "apples"], ExitCode.NO, "empty is empty"),
        ([str(photos / "class 0"), "--dataset", "apples"], ExitCode.NO, "but no class folders"),
        ([str(photos), "--dataset", "My Apples"], ExitCode.NO, "$.dataset"),
        ([str(photos)], ExitCode.USAGE, "a folder needs a name for its data set: --dataset NAME"),
        (["no/such/folder"], ExitCode.USAGE, "no/such/folder cannot be read: No such file"),
        (["no/such", "--dataset", "a"], ExitCode.USAGE, "--dataset goes with a folder of photos"),
        ([str(faulty)], ExitCode.NO, "$.images"),
    ]:
        got, said = said_by(deployed, *arguments)
        assert (got, sentence in said) == (code, True), (arguments, said)
    assert versions(deployed, "") == {}


def test_a_bucket_elsewhere_is_refused_as_the_launcher_would(
    ministack: MiniStack, deployed: Deployed, tmp_path: Path
) -> None:
    far = new_bucket(ministack, "eu-north-1")
    file = tmp_path / "manifest.json"
    file.write_text(
        f'{{"version": 1, "dataset": "apples", "images": {{"prefixes": ["s3://{far}/images/"]}}}}'
    )
    code, said = said_by(deployed, str(file), "--yes")
    assert code == ExitCode.NO
    assert f"names the bucket {far} in eu-north-1, but the stack runs in eu-west-1" in said


def test_a_shell_that_knows_a_bucket_that_is_gone_says_so(deployed: Deployed, photos: Path) -> None:
    deployed.environment["FRUITS_DATA_BUCKET"] = "gone-with-the-stack"
    for command in (["submit", str(photos), "--dataset", "apples"], ["plan", manifest_file(photos)]):
        code, _, said = deployed.run(*command)
        assert code == ExitCode.USAGE
        assert "gone-with-the-stack, and there is none of that name: evaluate the stack's output" in said


def manifest_file(folder: Path) -> str:
    file = folder.parent / "manifest.json"
    file.write_text(
        '{"version": 1, "dataset": "apples", "images": {"prefixes": ["s3://gone-with-the-stack/images/"]}}'
    )
    return str(file)


def test_who_stops_watching_is_told_how_to_watch_again(
    deployed: Deployed, bucket: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(submit, "follow", stopped)
    code, (_, done), said = submitted(deployed, photos, "--watch")
    assert code == 130
    assert f"the run goes on without you; `fruits status {done['run_id']} --watch` follows it again" in said


RUN = Submitted("apples", "manifests/apples.json", "v1", "apples-0123456789ab")


def followed(deployed: Deployed, meanwhile: Callable[[], object]) -> list[Result]:
    """What is said of :data:`RUN`; ``meanwhile`` happens while one waits."""
    now = iter(range(0, 10_000, 10))
    stack = connect(deployed.environment)
    return list(submit.follow(stack, RUN, sleep=lambda _: meanwhile() and None, clock=lambda: next(now)))


def test_a_run_is_followed_from_before_it_is_accepted_to_its_end(deployed: Deployed) -> None:
    states = iter([RunState.QUEUED, RunState.FAILED])

    def goes_on() -> None:
        record = deployed.ledger.get(RUN.run_id)
        if record is None:
            deployed.records(next(states), RUN.run_id)
        else:
            deployed.moves(record, next(states), Ending("X", "It broke.", "Mend it.", "ours"))

    answers = followed(deployed, goes_on)
    assert [answer.document["state"] for answer in answers] == ["QUEUED", "FAILED"]
    assert answers[-1].code == ExitCode.NO


def test_a_refusal_of_the_launcher_is_told_but_not_that_of_an_older_version(deployed: Deployed) -> None:
    versions = iter(["v0", "v1"])

    def refuses() -> None:
        fault = {"path": "$.engin", "problem": "is wrong", "remedy": "Mend it.", "nearest": None}
        document = {"manifest": {"version_id": next(versions)}, "faults": [fault]}
        deployed.objects.write("manifests-rejected/apples.json", json.dumps(document))

    (answer,) = followed(deployed, refuses)
    assert (answer.code, answer.text) == (ExitCode.NO, "$.engin is wrong\n    Mend it.")
    assert next(versions, None) is None


def test_a_manifest_that_nobody_hears_of_is_given_up(deployed: Deployed) -> None:
    with pytest.raises(CommandError, match=r"nobody has heard of the manifest manifests/apples\.json"):
        followed(deployed, lambda: None)


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


def test_the_bar_shows_photos_and_bytes() -> None:
    screen = io.StringIO()
    with Terminal(Console(file=screen, width=100), yes=True).bar("photos", 2, 3000) as advance:
        advance(1000)
        advance(2000)
    assert "2 of 2 photos" in screen.getvalue()
    assert "3.0/3.0 kB" in screen.getvalue()
