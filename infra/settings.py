"""The settings of a stack: what each is called, holds, means, and is by default.

`python -m infra.settings` prints docs/settings.md, which is made of this table.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.contract.cost.measured import ARM_SPEED

_WHOLE = re.compile(r"[+-]?\d+")


def _text(given: str) -> str:
    if not given:
        raise ValueError("is empty; give a value")
    return given


def _whole(given: str) -> int:
    if not _WHOLE.fullmatch(given):
        raise ValueError("is not a whole number")
    return int(given)


def _number(given: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("is not a number; write it as 0.5 or 100")
    return value


def _flag(given: str) -> bool:
    if given not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return given == "true"


def _texts(given: str) -> tuple[str, ...]:
    try:
        value = json.loads(given)
    except ValueError:
        value = None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("is not a list of texts; `pulumi config set --path '{key}[0]' <value>` adds one")
    return tuple(value)


@dataclass(frozen=True)
class Form:
    """How a setting's text is read. ``read`` raises ValueError with what is wrong, after key and value."""

    name: str
    read: Callable[[str], Any]


TEXT = Form("text", _text)
WHOLE = Form("whole number", _whole)
NUMBER = Form("number", _number)
FLAG = Form("true or false", _flag)
TEXTS = Form("list of texts", _texts)


@dataclass(frozen=True)
class Setting:
    """``default`` None: unset unless given."""

    key: str
    form: Form
    default: Any
    meaning: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "dataBucketName",
        TEXT,
        None,
        "Name of the data bucket; unset, Pulumi chooses one. A bucket cannot be renamed: of a stack that has "
        "one already, only its own name is accepted.",
    ),
    Setting(
        "adopt",
        TEXT,
        None,
        "Name of a data bucket that an earlier stack kept (`keepDataOnDestroy`): this stack takes it over, "
        "with the other buckets, the keys and the ledger that belong to it. Needed for the first `pulumi up` "
        "only.",
    ),
    Setting(
        "imageBuckets",
        TEXTS,
        (),
        "Further buckets, in the stack's region, from which manifests may take images. Read-only.",
    ),
    Setting(
        "releaseLabel",
        TEXT,
        "emr-7.12.0",
        "EMR release. Its Spark must be the one in requirements.lock; the preview checks it.",
    ),
    Setting(
        "nodePackages",
        TEXT,
        "wheelhouse",
        "`wheelhouse` installs the locked wheels on each node from the data bucket; `preinstalled` is for "
        "emulators, whose nodes are machines that have them.",
    ),
    Setting(
        "logRetentionDays",
        WHOLE,
        30,
        "Days to keep the logs of Lambdas and clusters; one of the periods that CloudWatch Logs offers.",
    ),
    Setting(
        "auditRetentionDays",
        WHOLE,
        365,
        "Days to keep the audit trail, which nobody can delete earlier, and the buckets' access logs.",
    ),
    Setting(
        "dataRetentionDays", WHOLE, None, "Days after which images and results are deleted; unset keeps them."
    ),
    Setting(
        "notificationEmail",
        TEXT,
        None,
        "Who hears of finished runs, if a manifest asks for it; unset means nobody yet.",
    ),
    Setting(
        "alarmEmails",
        TEXTS,
        (),
        "Who hears of alarms; each address has to confirm once. Empty means nobody yet.",
    ),
    Setting(
        "keepDataOnDestroy",
        FLAG,
        default=False,
        meaning="Whether buckets, ledger, their protection and their keys survive `pulumi destroy`, which "
        "leaves none behind otherwise. Pulumi.eu.yaml asks for it.",
    ),
    Setting(
        "maxClusters", WHOLE, 10, "Clusters at once. Runs above it wait, in order, and start by themselves."
    ),
    Setting(
        "maxEurPerDay",
        NUMBER,
        100.0,
        "What runs may cost a day (UTC) at most, by their worst cases, less what ended runs did not use. "
        "Runs above it wait for the next day; one that could never fit is rejected.",
    ),
    Setting(
        "launchesPerSecond",
        NUMBER,
        0.5,
        "How fast clusters are asked for after a first few. EMR throttles what is faster than the account's "
        "quota for RunJobFlow; raise this together with the quota.",
    ),
    Setting(
        "gravitonSpeed",
        NUMBER,
        ARM_SPEED,
        "For estimates: what a vCPU of a Graviton machine computes of what one of an x86 machine does, until "
        "the stack's own runs have measured it. The default claims no difference.",
    ),
    Setting(
        "workbenchCidrs",
        TEXTS,
        (),
        "Networks whose people may open workbenches, as public IPv4 ranges such as `203.0.113.0/24`: 49 at "
        "most, none wider than /16, nor all of them together. Empty: there is no way in, and a manifest that "
        "asks for a workbench is refused. "
        "Otherwise the stack has a load balancer, which costs some 26 USD a month.",
    ),
    Setting(
        "emulatorEndpoint",
        TEXT,
        None,
        "URL of an emulator of AWS on this machine or in a private network, to deploy to instead of AWS, "
        "with Pulumi's AWS provider; `make local` needs no such setting. Only for stacks whose name begins "
        "with `local`.",
    ),
    Setting(
        "emulatorEmrEndpoint",
        TEXT,
        None,
        "URL of the emulator's EMR where that is apart, as the local cloud's is.",
    ),
)
"""Beside these there is ``aws:region``, whose default is in Pulumi.yaml."""
DEFAULTS: Mapping[str, Any] = {setting.key: setting.default for setting in SETTINGS}


def read_settings(given: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Read settings from text, as Pulumi holds them: the values by key, and one line a fault."""
    known = {setting.key: setting for setting in SETTINGS}
    values: dict[str, Any] = {}
    faults: list[str] = []
    for key, text in given.items():
        if (setting := known.get(key)) is None:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            faults.append(f"{key}: is no setting; {meant}`pulumi config rm {key}` removes it")
            continue
        try:
            values[key] = setting.form.read(text)
        except ValueError as error:
            faults.append(f"{key}: {text!r} {str(error).format(key=key)}")
    return values, faults


def document() -> str:
    """The text of docs/settings.md."""
    rows = [
        f"| `fruits:{one.key}` | {one.form.name} | {_shown(one.default)} | {one.meaning} |"
        for one in SETTINGS
    ]
    return "\n".join([_HEAD, *rows, ""])


def _shown(default: Any) -> str:
    return "" if default is None else f"`{json.dumps(default)}`"


_HEAD = """# Settings

`pulumi config set <setting> <value>` sets one for the selected stack, in `Pulumi.<stack>.yaml`; a list
takes one value at a time: `pulumi config set --path 'fruits:alarmEmails[0]' me@example.org`. No setting is
required. Every fault in them fails the preview, all at once, before anything is created.

| setting | holds | default | meaning |
|---|---|---|---|
| `aws:region` | text | `"eu-west-1"` | Where everything lives: a region in a member state of the EU. A \
stack cannot move: another region is another stack. |"""


if __name__ == "__main__":
    sys.stdout.write(document())
