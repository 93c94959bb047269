"""`fruits submit`, against a real local AWS: what is asked, refused and told until the end of the run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from infra.local.ministack import MiniStack
from lambdas.cli import submit
from lambdas.cli.dialogue import Terminal
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import connect
from lambdas.cli.submission import Submitted
from lambdas.contract.run import Ending, RunState

from .deployed import Deployed
from .submitting import PHOTOS, said_by, submitted, versions
from .test_ports import new_bucket


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
        (["no/such", "--dataset", "a"], ExitCode.USAGE, "no/such cannot be read: No such file"),
        ([str(faulty), "--dataset", "a"], ExitCode.USAGE, "--dataset goes with a folder of photos"),
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


def test_the_bar_shows_photos_and_bytes() -> None:
    screen = io.StringIO()
    with Terminal(Console(file=screen, width=100), yes=True).bar("photos", 2, 3000) as advance:
        advance(1000)
        advance(2000)
    assert "2 of 2 photos" in screen.getvalue()
    assert "3.0/3.0 kB" in screen.getvalue()
