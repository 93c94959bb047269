"""Carrying a command out: how its answer is printed, and which exit code it gives."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from lambdas.cli import commands, download, live_view, manifests, output, report_command, submit, workbench
from lambdas.cli.dialogue import Terminal
from lambdas.cli.explain import explain
from lambdas.cli.result import CommandError, ExitCode, Result, changes
from lambdas.cli.stack import Stack, connect
from lambdas.cli.submission import Submitted
from lambdas.contract.documents import UnreadableError

DOCTOR = "infra.doctor"
"""A module to run, and none to import."""
NEEDED_BY_DOCTOR = "pulumi"


def carry_out(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Carry out the command that was typed; returns the process's exit code.

    Raises:
        KeyboardInterrupt: ctrl-C. Where there is something to say, it is the exception's text.
    """
    if options.command == "doctor":
        return _doctor(options, environ)
    try:
        if options.command == "submit":
            return _submit(options, connect(environ))
        return _show(_answers(options, environ), options)
    except CommandError as error:
        return _fail(error.code, str(error))
    except UnreadableError as error:
        return _fail(ExitCode.NO, f"{error}.")
    except (ClientError, BotoCoreError) as error:
        return _fail(ExitCode.UNAVAILABLE, explain(error))


def _show(answers: Iterable[Result], options: argparse.Namespace) -> ExitCode:
    """What is watched is drawn in place, for people; everything else is lines."""
    if getattr(options, "watch", False) and not options.json:
        return live_view.follow(answers, Console())
    return _print(answers, as_json=options.json)


def _print(answers: Iterable[Result], *, as_json: bool) -> ExitCode:
    """Each answer that says something new, in lines; the last one's code."""
    code = ExitCode.OK
    for answer in changes(answers):
        code = answer.code
        output.write(json.dumps(answer.document) if as_json else answer.text)
        if answer.notice:
            output.complain(answer.notice)
    return code


def _submit(options: argparse.Namespace, stack: Stack) -> ExitCode:
    """Start a run, as far as the person agrees, and follow it if they want."""
    person = Terminal(Console(stderr=True), yes=options.yes)
    run: Submitted | None = None

    def answers() -> Iterator[Result]:
        nonlocal run
        run = yield from submit.submit(stack, options.source, options.dataset, person)

    code = _print(answers(), as_json=options.json)
    if run is None or not options.watch:
        return code
    try:
        return _show(submit.follow(stack, run), options)
    except KeyboardInterrupt:
        again = f"the run goes on without you; `fruits status {run.run_id} --watch` follows it again"
        raise KeyboardInterrupt(again) from None


def _answers(options: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[Result]:
    if options.command == "validate":
        yield manifests.validate(options.manifest)
        return
    if options.command == "report":
        given = (options.run, options.to, options.folder, options.images)
        yield report_command.report(*given, lambda: connect(environ), options.lists)
        return
    stack = connect(environ)
    if options.command == "status" and options.watch:
        yield from commands.watch(stack, options.run)
    else:
        yield _ANSWERS[options.command](stack, options)


_ANSWERS: Mapping[str, Callable[[Stack, argparse.Namespace], Result]] = {
    "plan": lambda stack, options: manifests.plan(stack, options.manifest),
    "results": lambda stack, options: download.results(
        stack, options.run, options.to, options.only, Terminal(Console(stderr=True), yes=False)
    ),
    "runs": lambda stack, options: commands.runs(stack, options.limit),
    "status": lambda stack, options: commands.status(stack, options.run),
    "cancel": lambda stack, options: commands.cancel(stack, options.run),
    "workbench": lambda stack, options: _WORKBENCH[options.action](stack, options.name),
    "pause": lambda stack, options: commands.pause(stack, options.reason),
    "resume": lambda stack, _: commands.resume(stack),
    "redrive": lambda stack, _: commands.redrive(stack),
}
_WORKBENCH: Mapping[str, Callable[[Stack, str], Result]] = {
    "open": workbench.opened,
    "password": workbench.password,
}


def _doctor(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """A program of its own: it also looks at what builds and deploys the stack, which nothing here knows."""
    if importlib.util.find_spec(NEEDED_BY_DOCTOR) is None:
        return _fail(
            ExitCode.USAGE,
            "doctor also looks at what builds and deploys the stack, which is not installed here: run it in "
            "the repository, after `make setup`",
        )
    chosen = [f"--{name}" for name in ("json", "run") if getattr(options, name)]
    return subprocess.run([sys.executable, "-m", DOCTOR, *chosen], env=environ, check=False).returncode


def _fail(code: ExitCode, message: str) -> int:
    output.complain(message)
    return code
