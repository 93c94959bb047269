"""A request that AWS would refuse fails the test that caused it, wherever it was made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.aws_models.watch import REPOSITORY

pytestmark = pytest.mark.slow

BAD_REQUESTS = '''
import io, subprocess, sys, zipfile
import pytest
from tests.local_emr.conftest import command_step

CALL = """
import os, boto3

def handler(event, context):
    try:
        boto3.client("sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/none", RoleSessionName=event)
    except boto3.client("sts").exceptions.ClientError:
        pass
"""
DONE_BY_ITSELF = CALL + "\\nhandler('a child', None)\\n"


def test_in_this_process(cloud):
    with pytest.raises(Exception):
        cloud.client("sts").assume_role(
            RoleArn="arn:aws:iam::000000000000:role/none", RoleSessionName="this process"
        )


def test_in_a_child_with_an_environment_of_its_own(cloud):
    subprocess.run([sys.executable, "-c", DONE_BY_ITSELF], env=dict(cloud.environment), check=True)


def test_in_a_lambda(cloud):
    role = cloud.make_role("function", "lambda.amazonaws.com")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("code.py", CALL)
    function = {"Runtime": "python3.11", "Handler": "code.handler", "Role": role}
    functions = cloud.client("lambda")
    functions.create_function(FunctionName="bad", Code={"ZipFile": code.getvalue()}, **function)
    answer = functions.invoke(FunctionName="bad", Payload=b'"a function"')
    assert "FunctionError" not in answer, answer["Payload"].read()


def test_on_a_node(emr):
    call = "aws sts assume-role --role-arn arn:aws:iam::000000000000:role/none --role-session-name 'a node'"
    cluster = emr.launch(command_step("bash", "-c", call + " || true"))
    assert emr.wait_until_ended(cluster) == "TERMINATED"


def test_a_good_request(cloud):
    assert cloud.client("sts").get_caller_identity()
'''
RULE = r"AWS asks: matches [\w+=,.@-]*"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says about a file of tests that call AWS badly."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "test_bad.py").write_text(BAD_REQUESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    plugins = ("-p", "tests.aws_models.plugin", "-p", "tests.local_emr.conftest")
    # These tests are watched themselves, which would find the faults first.
    unwatched = ("env", "-u", "PYTHONPATH", sys.executable)
    done = subprocess.run(
        [*unwatched, "-m", "pytest", *plugins, "-c", folder / "pytest.ini", folder],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("test", "session"),
    [
        ("in_this_process", "this process"),
        ("in_a_child_with_an_environment_of_its_own", "a child"),
        ("in_a_lambda", "a function"),
        ("on_a_node", "a node"),
    ],
)
def test_a_bad_request_fails_its_test_by_name(told: str, test: str, session: str) -> None:
    (section,) = [part for part in told.split("ERROR at teardown of ") if part.startswith(f"test_{test} ")]
    first = f"sts AssumeRole: RoleSessionName is '{session}'; {RULE}"
    assert section.splitlines()[1:3] == ["AWS would refuse:", first]


def test_only_tests_with_bad_requests_fail(told: str) -> None:
    assert "5 passed, 4 errors in" in told


def test_a_child_with_other_packages_is_left_alone(tmp_path: Path) -> None:
    program = "import sys; print('tests.aws_models' in sys.modules)"
    seen = [
        subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
        for python in (sys.executable, sys._base_executable)
    ]
    assert [(done.stdout, done.stderr) for done in seen] == [("True\n", ""), ("False\n", "")]
