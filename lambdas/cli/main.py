"""The command line: which command, how its answer is printed, and which exit code it gives."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from rich.console import Console

from lambdas.aws.errors import error_code
from lambdas.cli import commands, live_view, output, report_command
from lambdas.cli.result import CommandError, ExitCode, Result, changes
from lambdas.cli.stack import connect
from lambdas.contract.documents import UnreadableError

INTERRUPTED = 130
"""Exit code after ctrl-C, by the shells' convention."""
RUNS_SHOWN = 50
DOCTOR = "infra.doctor"
"""A module to run, and none to import."""
_COMMANDS = {
    "validate": "check a manifest, without AWS",
    "plan": "count the images and estimate minutes and euros; launches nothing",
    "runs": "list the newest runs, the newest first",
    "status": "how a run is",
    "report": "what a run found, and what is odd in its photos, as one HTML file",
    "cancel": "stop a run, and its cluster",
    "pause": "launch nothing until it is resumed; uploads queue, running runs go on",
    "resume": "launch again",
    "redrive": "give the events of the failure queue back to their functions",
    "doctor": "whether a deployment will work, and whether what is deployed is as it should be",
}
_EPILOG = """
exit codes: 0 done; 1 the answer is no (faulty or too dear manifest, failed or cancelled run, nothing to
cancel or to report, an event that could not be redriven, a fault that doctor found); 2 wrong use, or the
answer cannot be written; 3 no such run; 4 AWS refused or cannot be reached; 141 the reader of the answer
has left
"""
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Carry out one command; returns the process's exit code."""
    return output.guarded(lambda: _carry_out(arguments, environ))


def _carry_out(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> int:
    options = _parser().parse_args(arguments)
    if options.command == "doctor":
        return _doctor(options, environ)
    answers = _report(options, environ) if options.command == "report" else _answers(options, environ)
    try:
        if options.command == "status" and options.watch and not options.json:
            return live_view.follow(answers, Console())
        return _print(answers, as_json=options.json)
    except CommandError as error:
        return _fail(error.code, str(error))
    except UnreadableError as error:
        return _fail(ExitCode.NO, f"{error}.")
    except NoCredentialsError:
        return _fail(ExitCode.UNAVAILABLE, "no AWS credentials were found; log in (`aws configure`) first")
    except ClientError as error:
        return _fail(ExitCode.UNAVAILABLE, _explain(error))
    except BotoCoreError as error:
        return _fail(ExitCode.UNAVAILABLE, f"{error} Check network, region and AWS_ENDPOINT_URL.")
    except KeyboardInterrupt:
        return INTERRUPTED


def _print(answers: Iterator[Result], *, as_json: bool) -> ExitCode:
    """Each answer that says something new, in lines; the last one's code."""
    code = ExitCode.OK
    for answer in changes(answers):
        code = answer.code
        output.write(json.dumps(answer.document) if as_json else answer.text)
        if answer.notice:
            output.complain(answer.notice)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fruits", description="Runs of the fruits stack.", epilog=_EPILOG)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in _COMMANDS.items():
        command = subparsers.add_parser(name, help=help_text, description=help_text, epilog=_EPILOG)
        command.add_argument("--json", action="store_true", help="print JSON, for scripts")
        if name in ("validate", "plan"):
            command.add_argument("manifest", metavar="MANIFEST", help="a file, or - for the standard input")
        if name in ("status", "cancel", "report"):
            command.add_argument("run", metavar="RUN", help="the run's id")
        if name == "status":
            command.add_argument(
                "--watch",
                action="store_true",
                help="go on until the run has ended; with --json a line a change",
            )
        if name == "report":
            _add_report_options(command)
        if name == "doctor":
            command.add_argument(
                "--run",
                action="store_true",
                help="also send a small generated data set through the whole stack, and wait for it",
            )
        if name == "pause":
            command.add_argument(
                "--reason", metavar="TEXT", help="why, for those who find launching paused", default=None
            )
        if name == "runs":
            command.add_argument(
                "--limit",
                type=_positive,
                default=RUNS_SHOWN,
                metavar="N",
                help=f"how many (default {RUNS_SHOWN})",
            )
    return parser


def _add_report_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--to", type=Path, metavar="FILE", help="where to write it (default <RUN>.html)")
    command.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="read the run's results from this folder, which has the bucket's layout; needs no AWS",
    )
    command.add_argument(
        "--images", type=Path, metavar="FOLDER", help="read the photos from this folder instead of S3"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _answers(options: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[Result]:
    if options.command == "validate":
        yield commands.validate(options.manifest)
        return
    stack = connect(environ)
    match options.command:
        case "plan":
            yield commands.plan(stack, options.manifest)
        case "runs":
            yield commands.runs(stack, options.limit)
        case "status" if options.watch:
            yield from commands.watch(stack, options.run)
        case "status":
            yield commands.status(stack, options.run)
        case "cancel":
            yield commands.cancel(stack, options.run)
        case "pause":
            yield commands.pause(stack, options.reason)
        case "resume":
            yield commands.resume(stack)
        case "redrive":
            yield commands.redrive(stack)


def _report(options: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[Result]:
    given = (options.run, options.to, options.folder, options.images)
    yield report_command.report(*given, lambda: connect(environ))


def _doctor(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """A program of its own: it also looks at what builds and deploys the stack, which nothing here knows."""
    chosen = [f"--{name}" for name in ("json", "run") if getattr(options, name)]
    try:
        return subprocess.run([sys.executable, "-m", DOCTOR, *chosen], env=environ, check=False).returncode
    except KeyboardInterrupt:
        return INTERRUPTED


def _explain(error: ClientError) -> str:
    if error_code(error) in _EXPIRED:
        return f"the AWS credentials have expired; log in again ({error})"
    if error_code(error) in _DENIED:
        return f"your AWS credentials may not do this: {error}"
    return f"AWS answered: {error}"


def _fail(code: ExitCode, message: str) -> int:
    output.complain(message)
    return code
