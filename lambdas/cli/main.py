"""The command line: which command with which options.

What a command needs is imported when it is carried out, so that asking for help takes no time.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lambdas.cli import output

INTERRUPTED = 130
"""Exit code after ctrl-C, by the shells' convention."""
RUNS_SHOWN = 50
_LONGEST_RUN_ID = 200
"""Characters; those that there are have less than half of it."""
RESULTS = "fruits-results"
"""The folder that results are fetched to."""
_COMMANDS = {
    "submit": "upload a folder of photos, or a manifest, and start a run",
    "results": "fetch what a run published, and how to load it",
    "report": "what a run found, and what is odd in its photos, as one HTML file",
    "validate": "check a manifest, without AWS",
    "plan": "count the images and estimate minutes and euros; launches nothing",
    "runs": "list the newest runs, the newest first",
    "status": "how a run is",
    "cancel": "stop a run or a workbench, and its cluster",
    "workbench": "where an open workbench is, until when and what it has cost; or its password",
    "pause": "launch nothing until it is resumed; uploads queue, running runs go on",
    "resume": "launch again",
    "redrive": "give the events of the failure queue back to their functions",
    "doctor": "whether a deployment will work, and whether what is deployed is as it should be",
}
_EPILOG = """
exit codes: 0 done; 1 the answer is no (faulty or too dear manifest, a folder that cannot be submitted, a
failed or cancelled run, no results, nothing to cancel or to report, a workbench that is not open, an event
that could not be redriven, a fault that doctor found); 2 wrong use, or the answer cannot be written; 3 no
such run or workbench; 4 AWS refused or cannot be reached; 130 stopped by ctrl-C; 141 the reader of the answer
has left
"""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Carry out one command; returns the process's exit code."""
    return output.guarded(lambda: _carry_out(arguments, environ))


def _carry_out(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        from lambdas.cli.execution import carry_out

        return carry_out(options, environ)
    except KeyboardInterrupt as stopped:
        if str(stopped):
            output.complain(str(stopped))
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Python's own says nothing of a help that cannot be written."""

    def print_help(self, _file: Any = None) -> None:
        """To the standard output. Raises OSError where it cannot be written."""
        output.write(self.format_help().rstrip())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fruits", description="Runs of the fruits stack.", epilog=_EPILOG)
    own = {"submit": _submit_options, "results": _results_options, "report": _report_options}
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in _COMMANDS.items():
        command = subparsers.add_parser(name, help=help_text, description=help_text, epilog=_EPILOG)
        command.add_argument("--json", action="store_true", help="print JSON, for scripts")
        if name in ("validate", "plan"):
            command.add_argument(
                "manifest", type=_name, metavar="MANIFEST", help="a file, or - for the standard input"
            )
        if name in own:
            own[name](command)
        if name in ("results", "report", "status", "cancel"):
            command.add_argument("run", type=_run_id, metavar="RUN", help="the run's id")
        if name == "workbench":
            command.add_argument("action", choices=("open", "password"), help="what to say of it")
            command.add_argument("name", metavar="NAME", help="the workbench's, as in its manifest")
        if name == "status":
            command.add_argument(
                "--watch",
                action="store_true",
                help="go on until the run has ended; with --json a line a change",
            )
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


def _submit_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source",
        type=_name,
        metavar="FOLDER|MANIFEST",
        help="a folder of class folders of photos; or a manifest's file, or -",
    )
    command.add_argument("--dataset", metavar="NAME", help="what the photos of a folder are called")
    command.add_argument("--watch", action="store_true", help="follow the run until it has ended")
    command.add_argument("--yes", action="store_true", help="do not ask, for scripts")


def _results_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--to", type=_path, default=Path(RESULTS), metavar="DIR", help=f"where to (default {RESULTS})"
    )
    command.add_argument(
        "--only",
        choices=("csv", "pca", "features"),
        help="the components as CSV; the same as Parquet, with the model; the features, with the quarantine",
    )


def _report_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--to", type=_path, metavar="FILE", help="where to write it (default <RUN>.html)")
    command.add_argument(
        "--from",
        dest="folder",
        type=_path,
        metavar="DIR",
        help="read the run's results from this folder, which has the bucket's layout; needs no AWS",
    )
    command.add_argument(
        "--lists",
        type=_path,
        metavar="DIR",
        help="also write each list as CSV into this folder, with all that was found",
    )
    command.add_argument(
        "--images", type=_path, metavar="DIR", help="read the photos from this folder instead of S3"
    )


def _name(text: str) -> str:
    """Of a file or folder: an empty one, as an unset variable is, would be the folder that one is in."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no name of a file or folder")
    return text


def _path(text: str) -> Path:
    return Path(_name(text))


def _run_id(text: str) -> str:
    """What may be one: the ledger is asked for nothing that no key can be."""
    if not 0 < len(text) <= _LONGEST_RUN_ID or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no run's id; `fruits runs` lists them")
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)
