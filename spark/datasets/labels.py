"""Labels from paths."""

from __future__ import annotations

from collections.abc import Callable

from lambdas.contract.label_pattern import PatternError, compile_pattern
from lambdas.contract.plan import LabelRule
from spark.datasets.object_store import split_uri
from spark.errors import StepFailedError


def labeller(rule: LabelRule) -> Callable[[str], str | None]:
    """A function from an image's URI to its label.

    ``parent_folder`` takes the last folder of the key (none when the image lies at the bucket's top, or its
    name holds a backslash: then a folder may have been meant that S3 does not know); ``regex`` searches the
    whole URI and takes group 1, in time that grows with the URI alone. An image without a label keeps its
    features: its label is null.

    Raises:
        StepFailedError: the pattern cannot be used.
    """
    if rule.kind == "none":
        return lambda _uri: None
    if rule.kind == "parent_folder":
        return _parent_folder
    try:
        pattern = compile_pattern(rule.pattern or "")
    except PatternError as error:
        raise StepFailedError(
            "user",
            f"label.pattern {rule.pattern!r} {error}",
            "give a regular expression whose group 1 is the label, such as '/([^/]+)_[0-9]+[.]jpg$'",
        ) from error

    def from_pattern(uri: str) -> str | None:
        found = pattern.search(uri)
        return found.group(1) if found else None

    return from_pattern


def _parent_folder(uri: str) -> str | None:
    *folders, name = split_uri(uri)[1].split("/")
    return folders[-1] if folders and "\\" not in name else None
