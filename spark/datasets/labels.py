"""Labels from paths."""

from __future__ import annotations

import re
from collections.abc import Callable

from lambdas.contract.plan import LabelRule
from spark.datasets.object_store import split_uri
from spark.errors import StepFailedError


def labeller(rule: LabelRule) -> Callable[[str], str | None]:
    """A function from an image's URI to its label.

    ``parent_folder`` takes the last folder of the key (none when the image lies at the bucket's top);
    ``regex`` searches the whole URI and takes group 1. An image without a label keeps its features: its
    label is null.

    Raises:
        StepFailedError: the pattern is no regular expression or has no group.
    """
    if rule.kind == "none":
        return lambda _uri: None
    if rule.kind == "parent_folder":
        return _parent_folder
    try:
        pattern = re.compile(rule.pattern or "")
    except re.error as error:
        raise _bad_pattern(rule, str(error)) from error
    if pattern.groups < 1:
        raise _bad_pattern(rule, "it has no group")

    def from_pattern(uri: str) -> str | None:
        found = pattern.search(uri)
        return found[1] if found else None

    return from_pattern


def _parent_folder(uri: str) -> str | None:
    folders = split_uri(uri)[1].split("/")[:-1]
    return folders[-1] if folders else None


def _bad_pattern(rule: LabelRule, why: str) -> StepFailedError:
    return StepFailedError(
        "user",
        f"label.pattern {rule.pattern!r} cannot be used: {why}",
        "give a regular expression whose group 1 is the label, such as '/([^/]+)_[0-9]+[.]jpg$'",
    )
