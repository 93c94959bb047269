"""JSON documents whose known parts are known in a preview, when other parts exist only later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from infra.policies.resource import KNOWN_LATER


def document(value: Any) -> pulumi.Output[str]:
    """The JSON of a value that may hold outputs at any depth.

    ``pulumi.Output.json_dumps`` makes the whole text unknown in a preview when one ARN in it is, so that
    neither a person nor the policy pack sees what a first deployment would allow. Here the text is known, and
    ``KNOWN_LATER`` stands in the place of the ARN. Only in a preview, which creates nothing: a deployment
    that lacks a value never sends anything in its naming.
    """
    return pulumi.Output.json_dumps(_marked(value) if pulumi.runtime.is_dry_run() else value)


def _marked(value: Any) -> Any:
    if isinstance(value, pulumi.Output):
        return value.apply(
            lambda known: KNOWN_LATER if pulumi.contains_unknowns(known) else known, run_with_unknowns=True
        )
    if isinstance(value, Mapping):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_marked(item) for item in value]
    return value
