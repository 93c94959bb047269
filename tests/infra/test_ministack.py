from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from infra.local import tls
from infra.local.ministack import MiniStack, MiniStackError

pytestmark = pytest.mark.slow

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
)
TALKS_ON_FOR_20_MS = """
import os, threading
def handler(event, context):
    print("one")
    threading.Timer(0.02, os.write, (2, b"two\\n")).start()
"""
STARTED_AND_LEFT_ALONE = """
import sys, time
from pathlib import Path
from infra.local import tls
from infra.local.ministack import MiniStack
folder = Path(sys.argv[1])
MiniStack(tls=tls.issue(folder / "tls"), folder=folder, region="eu-west-1").start()
print("up", flush=True)
time.sleep(60)
"""


def processes_below(folder: Path) -> list[Path]:
    """The /proc entries of processes that work in or below ``folder``; none where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            if (entry / "cwd").readlink().is_relative_to(folder):
                found.append(entry)
    return found


def has_ended(folder: Path) -> bool:
    """Whether none is left; what was killed takes the kernel a moment to end."""
    deadline = time.monotonic() + 5
    while processes_below(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not processes_below(folder)


def test_it_listens_on_loopback_only_and_stops_without_a_trace(tmp_path: Path) -> None:
    with MiniStack(tls=tls.issue(tmp_path / "tls"), folder=tmp_path, region="eu-west-1") as ministack:
        port = int(ministack.url.rsplit(":", 1)[1])
        assert processes_below(tmp_path)
        assert ministack.client("s3").list_buckets()["Buckets"] == []
        with socket.socket() as elsewhere:
            elsewhere.settimeout(0.5)
            # All of 127/8 is this machine; only the one address must answer.
            assert elsewhere.connect_ex(("127.0.0.2", port)) != 0
    assert has_ended(tmp_path)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ministack.log", "tls"]


def test_lines_that_reach_it_late_are_logged_with_their_invocation(tmp_path: Path) -> None:
    with MiniStack(tls=tls.issue(tmp_path / "tls"), folder=tmp_path, region="eu-west-1") as ministack:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("talks.py", TALKS_ON_FOR_20_MS)
        role = ministack.client("iam").create_role(RoleName="talks", AssumeRolePolicyDocument=TRUST)
        functions = ministack.client("lambda")
        functions.create_function(
            FunctionName="talks",
            Runtime="python3.11",
            Handler="talks.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": code.getvalue()},
        )
        functions.invoke(FunctionName="talks")
        logged = ministack.client("logs").filter_log_events(logGroupName="/aws/lambda/talks")["events"]
    assert [event["message"] for event in logged][1:3] == ["one", "two"]


def test_it_ends_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTED_AND_LEFT_ALONE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == "up\n"
    assert processes_below(tmp_path)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert has_ended(tmp_path)


def test_the_port_is_held_from_the_beginning(tmp_path: Path) -> None:
    files = tls.issue(tmp_path / "tls")
    first = MiniStack(tls=files, folder=tmp_path / "1", region="eu-west-1")
    second = MiniStack(tls=files, folder=tmp_path / "2", region="eu-west-1")
    try:
        assert first.url != second.url
        port = int(first.url.rsplit(":", 1)[1])
        with socket.socket() as thief, pytest.raises(OSError, match="in use"):
            thief.bind(("127.0.0.1", port))
    finally:
        first.stop()
        second.stop()


def test_a_failed_start_shows_the_end_of_the_log_and_leaves_nothing(tmp_path: Path) -> None:
    files = tls.issue(tmp_path / "tls")
    files.key.write_text("no key")
    with (
        pytest.raises(MiniStackError, match=r"(?s)ended with exit code 1 at start.*ministack\.log.*Error"),
        MiniStack(tls=files, folder=tmp_path, region="eu-west-1"),
    ):
        pass
    assert has_ended(tmp_path)


def test_a_persons_own_aws_settings_do_not_reach_the_lambdas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "mine")
    with MiniStack(tls=tls.issue(tmp_path / "tls"), folder=tmp_path, region="eu-west-1") as ministack:
        assert ministack.client("sts").get_caller_identity()["Account"] == "000000000000"
        seen = [(process / "environ").read_bytes() for process in processes_below(tmp_path)]
    assert not [text for text in seen if b"production" in text or b"AWS_SESSION_TOKEN=mine" in text]
