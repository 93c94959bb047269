"""What becomes of a check, whatever AWS answers: a finding with what to do, and an exit code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ProfileNotFound
from botocore.parsers import ResponseParserError

from infra.config import ConfigInvalid
from infra.doctor import views
from infra.doctor.examination import Check, Gate, Line, NotThere, examine, examine_behind, there
from infra.doctor.finding import ExitCode, Finding, Status, exit_code, fault, ok, refused, unknown, warning
from lambdas.contract.settings import SettingsError

LOG_IN = "log in (`aws configure`; with SSO: `aws sso login` of the AWS CLI v2)"


def aws_error(code: str, operation: str = "GetThing") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "said AWS"}}, operation)


def raising(error: Exception) -> Callable[[], list[Finding]]:
    def look() -> list[Finding]:
        raise error

    return look


def only(check: Check) -> Finding:
    (line,) = examine(check)
    return line.finding


@pytest.mark.parametrize(
    ("error", "status", "text", "remedy"),
    [
        (
            NotThere("table fruits-eu-runs"),
            Status.FAULT,
            "table fruits-eu-runs is not there",
            "`pulumi up --refresh` restores what the program says; a stack that was destroyed needs "
            "`pulumi up`",
        ),
        (
            ConfigInvalid(["releaseLabel: 'emr-1' has no Spark; choose another"]),
            Status.FAULT,
            "the stack's configuration has faults: - releaseLabel: 'emr-1' has no Spark; choose another",
            "mend it; `pulumi preview` says the same",
        ),
        (
            SettingsError(["FRUITS_X"]),
            Status.FAULT,
            "what is deployed is of another version than this checkout (missing in the environment: "
            "FRUITS_X; deploy the stack again)",
            "check out what was deployed, or `make package` and `pulumi up`",
        ),
        (
            NoCredentialsError(),
            Status.REFUSED,
            "no AWS credentials were found",
            LOG_IN,
        ),
        (
            aws_error("AccessDenied"),
            Status.REFUSED,
            "your AWS credentials may not ask for it (GetThing)",
            "use others, or have this read granted: docs/deploy.md lists what doctor reads",
        ),
        (
            aws_error("ExpiredToken"),
            Status.REFUSED,
            "AWS does not accept the credentials (ExpiredToken)",
            LOG_IN,
        ),
        (
            aws_error("ThrottlingException"),
            Status.REFUSED,
            "An error occurred (ThrottlingException) when calling the GetThing operation: said AWS",
            "try again; if it stays, AWS' message says what is wrong",
        ),
        (
            EndpointConnectionError(endpoint_url="https://sts.eu-west-1.amazonaws.com/"),
            Status.REFUSED,
            'Could not connect to the endpoint URL: "https://sts.eu-west-1.amazonaws.com/"',
            "check network, region and AWS_ENDPOINT_URL",
        ),
        *(
            (
                EndpointConnectionError(endpoint_url=f"https://{host}:1/"),
                Status.REFUSED,
                f'Could not connect to the endpoint URL: "https://{host}:1/"',
                "the local cloud has ended: `make local`, then source .local/cloud/env.sh again; "
                "or a new terminal for AWS",
            )
            for host in ("localhost", "127.0.0.1", "[::1]", "emr.localhost")
        ),
        (
            ProfileNotFound(profile="nope"),
            Status.REFUSED,
            "there is no profile 'nope' in the AWS configuration files",
            "`aws configure --profile nope` makes it; or `unset AWS_PROFILE AWS_DEFAULT_PROFILE`",
        ),
        (
            aws_error("UnknownOperationException"),
            Status.UNKNOWN,
            "not answered here: there is no GetThing",
            "nothing here: emulators lack it; AWS itself answers",
        ),
        # An answer without an error of AWS in it: botocore has only the status to tell.
        (
            aws_error("400"),
            Status.UNKNOWN,
            "not answered here: there is no GetThing",
            "nothing here: emulators lack it; AWS itself answers",
        ),
        (
            ResponseParserError("<html>"),
            Status.UNKNOWN,
            "not answered here: what came back is no answer of AWS",
            "nothing here: emulators lack it; AWS itself answers",
        ),
    ],
)
def test_whatever_is_raised_becomes_a_finding(
    error: Exception, status: Status, text: str, remedy: str
) -> None:
    assert only(Check("the account", "thing", raising(error))) == Finding(status, text, remedy)


def test_a_defect_of_ours_is_not_taken_for_a_finding() -> None:
    with pytest.raises(ZeroDivisionError):
        examine(Check("the account", "thing", raising(ZeroDivisionError())))


def test_what_is_missing_is_told_from_what_is_refused() -> None:
    def read(code: str) -> None:
        raise aws_error(code)

    with pytest.raises(NotThere, match=r"^bucket b$"):
        there("bucket b", lambda: read("NoSuchBucket"), ["NoSuchBucket"])
    with pytest.raises(ClientError):
        there("bucket b", lambda: read("AccessDenied"), ["NoSuchBucket"])


@pytest.mark.parametrize(
    ("gate", "status"),
    [
        (refused("nobody is logged in", "log in"), Status.REFUSED),
        (fault("no region", "set it"), Status.UNKNOWN),
    ],
)
def test_behind_a_closed_gate_each_check_says_once_why_it_was_not_asked(
    gate: Finding, status: Status
) -> None:
    closed = Gate(Check("the account", "gate", lambda: [gate]), gate.status)
    second, other = (Check("the account", name, raising(AssertionError())) for name in ("second", "other"))
    first, *rest = examine_behind([closed, Gate(second, Status.FAULT)], [other])
    assert first.finding == gate
    assert [line.check.name for line in rest] == ["second", "other"]
    assert {line.finding for line in rest} == {Finding(status, f"not asked: {gate.text}", gate.remedy)}


def test_a_gate_that_is_not_closed_lets_the_others_be_asked() -> None:
    denied = Gate(Check("the account", "region", lambda: [refused("denied", "ask")]), Status.FAULT)
    other = Check("the account", "other", lambda: [ok("asked")])
    assert [line.finding.text for line in examine_behind([denied], [other])] == ["denied", "asked"]


def test_a_fault_of_one_check_keeps_no_other_from_being_asked() -> None:
    gate = Gate(Check("the account", "identity", lambda: [ok("somebody")]), Status.REFUSED)
    bad, good = (
        Check("the stack", name, lambda f=f: [f]) for name, f in (("a", fault("x", "y")), ("b", ok("z")))
    )
    assert [line.finding.text for line in examine_behind([gate], [bad, good])] == ["somebody", "x", "z"]


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([ok("a"), warning("b", "c"), unknown("d", "e")], ExitCode.OK),
        ([ok("a"), fault("b", "c")], ExitCode.NO),
        # Half an answer is none.
        ([fault("b", "c"), refused("d", "e")], ExitCode.UNAVAILABLE),
    ],
)
def test_exit_codes_are_those_of_the_other_commands(findings: list[Finding], code: ExitCode) -> None:
    assert exit_code(findings) == code


def lines() -> list[Line]:
    check = Check("the stack", "rules", list)
    return [Line(check, ok("on")), Line(check, fault("off", "switch it on"))]


def test_a_line_says_what_is_and_the_next_what_to_do() -> None:
    good, bad = lines()
    assert views.text(good, 10, is_first=True) == "the stack\n  ok       rules       on"
    assert views.text(bad, 10, is_first=False) == (
        "  FAULT    rules       off\n                       -> switch it on"
    )
    assert views.summary(lines()) == "2 looked at: 1 fault."
    assert views.summary(lines()[:1]) == "1 looked at: all is well."


def test_what_is_in_the_way_of_many_checks_is_remedied_once() -> None:
    gate = Gate(Check("the account", "identity", lambda: [refused("nobody", "log in")]), Status.REFUSED)
    behind = [Check("the account", name, raising(AssertionError())) for name in ("region", "quota")]
    lines = list(examine_behind([gate], behind))
    printed = [views.text(line, 8, is_first=False) for line in lines]
    assert printed == [
        "  REFUSED  identity  nobody\n                     -> log in",
        "  REFUSED  region    not asked: nobody",
        "  REFUSED  quota     not asked: nobody",
    ]
    assert {found["remedy"] for found in views.document(lines, None)["findings"]} == {"log in"}


def test_scripts_get_the_same() -> None:
    assert views.document(lines(), "nobody knows it") == {
        "exit_code": 1,
        "stack_not_looked_at": "nobody knows it",
        "findings": [
            {"part": "the stack", "check": "rules", "status": "ok", "text": "on", "remedy": None},
            {
                "part": "the stack",
                "check": "rules",
                "status": "fault",
                "text": "off",
                "remedy": "switch it on",
            },
        ],
    }
