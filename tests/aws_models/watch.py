"""Judging what botocore sends: in this process, and in every Python process that is started below it.

A call is judged where its parameters are final and not yet written as bytes, whoever makes it: boto3, the
AWS command line, a Lambda function, a command of a step. What breaks a rule goes as a line to a file.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

REPOSITORY = Path(__file__).parents[2]
_WHERE_BOTOCORE_LISTS_ITS_HANDLERS = "botocore.handlers"
# Python imports a module of this name at its start. An environment with other packages is none of ours.
_AT_START = """\
import sys
if sys.prefix == {prefix!r}:
    sys.path.append({repository!r})
    from tests.aws_models import watch
    sys.path.remove({repository!r})
    watch.watch_this_process({folder!r})
"""


class Watch:
    """Everything that calls AWS leaves its broken rules in ``folder``, an empty one."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "violations.jsonl"
        self._read = 0
        self._folder = folder

    def start(self) -> None:
        """From here on, and to the end of this process."""
        at_start = self._folder / "at_start"
        at_start.mkdir()
        text = _AT_START.format(prefix=sys.prefix, repository=str(REPOSITORY), folder=str(self._folder))
        (at_start / "sitecustomize.py").write_text(text)
        watch_this_process(str(self._folder))
        os.environ.update(_with_path(os.environ, str(at_start)))

    def news(self) -> list[str]:
        """What was written since the last time, a sentence each."""
        if not self._record.exists():
            return []
        with self._record.open() as record:
            record.seek(self._read)
            lines = record.readlines()
            self._read = record.tell()
        return [_sentence(json.loads(line)) for line in lines]


def watch_this_process(folder: str) -> None:
    """Judge what this process sends, and its children, even those with an environment of their own."""
    _judge_before_sending(Path(folder) / "violations.jsonl")
    _hand_on(str(Path(folder) / "at_start"))


def _judge_before_sending(record: Path) -> None:
    if _WHERE_BOTOCORE_LISTS_ITS_HANDLERS in sys.modules:
        _add_handler(sys.modules[_WHERE_BOTOCORE_LISTS_ITS_HANDLERS], record)
    else:
        sys.meta_path.insert(0, _OnceImported(record))


class _OnceImported(importlib.abc.MetaPathFinder):
    """Waits for botocore, whose import takes half a second that most processes don't need."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _WHERE_BOTOCORE_LISTS_ITS_HANDLERS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_add(module: ModuleType) -> None:
            run(module)
            _add_handler(module, self._record)

        spec.loader.exec_module = run_and_add  # type: ignore[method-assign]  # of this one loader
        return spec


def _add_handler(handlers: ModuleType, record: Path) -> None:
    # Last of the event's, when boto3's DynamoDB table has put its Python values into the API's form.
    handler = functools.partial(_judge, record)
    handlers.BUILTIN_HANDLERS.append(("before-parameter-build", handler, handlers.REGISTER_LAST))


def _judge(record: Path, *, params: Mapping[str, Any], model: Any, **_: object) -> None:
    from tests.aws_models.judge import violations

    for violation in violations(model.input_shape, params):
        call = {"service": model.service_model.service_name, "operation": model.name, **asdict(violation)}
        with record.open("a") as file:
            file.write(json.dumps(call) + "\n")


def _hand_on(at_start: str) -> None:
    """Whatever environment a child is given, it watches as well."""
    start = subprocess.Popen.__init__

    @functools.wraps(start)
    def start_watched(process: Any, *arguments: Any, **options: Any) -> None:
        if options.get("env") is not None:
            options["env"] = _with_path(options["env"], at_start)
        start(process, *arguments, **options)

    subprocess.Popen.__init__ = start_watched  # type: ignore[method-assign]


def _with_path(environment: Mapping[str, str], folder: str) -> dict[str, str]:
    rest = environment.get("PYTHONPATH", "").split(os.pathsep)
    path = os.pathsep.join([folder, *(part for part in rest if part not in ("", folder))])
    return {**environment, "PYTHONPATH": path}


def _sentence(call: Mapping[str, str]) -> str:
    place = f"{call['service']} {call['operation']}: {call['path']}"
    return f"{place} is {call['value']}; AWS asks: {call['rule']}"
