"""Objects that cannot be read for a reason of their own: each costs itself, and no other."""

from __future__ import annotations

import re

from lambdas.contract.listing_summary import HOW_TO_RESTORE, key_of
from lambdas.contract.object_keys import key_problem
from lambdas.contract.report import QuarantineReason

_ARCHIVED = "<Code>InvalidObjectState</Code>"
_WHERE = re.compile(r"<(?:AccessTier|StorageClass)>(\w+)</")
"""S3's answer names the storage class, and of Intelligent-Tiering also the tier. Source: Amazon S3 API
reference, GetObject, "InvalidObjectState"."""


class ObjectUnreadableError(Exception):
    """One object cannot be read. ``detail`` says why and what to do."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def require_addressable(uri: str) -> None:
    """Raise :class:`ObjectUnreadableError` where no store client can ask for the object."""
    if problem := key_problem(key_of(uri)):
        raise ObjectUnreadableError(
            QuarantineReason.UNADDRESSABLE,
            f"the key {problem}, and no store client can address it: copy the object to another key",
        )


def archived(answer: str) -> ObjectUnreadableError | None:
    """What S3's refusal means; None where a permission is missing. It answers 403 to both."""
    if _ARCHIVED not in answer:
        return None
    where = ", ".join(dict.fromkeys(_WHERE.findall(answer))) or "a storage class of S3's archive"
    return ObjectUnreadableError(QuarantineReason.ARCHIVED, f"archived in {where}: {HOW_TO_RESTORE}")
