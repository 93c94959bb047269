"""What S3's events tell of manifests. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes import S3Event
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord

from lambdas.contract.layout import manifest_name
from lambdas.launcher.accept import Upload
from lambdas.launcher.withdraw import Deletion


@dataclass(frozen=True)
class Heard:
    """``changes`` of manifests in their order; ``ignored``: why others are none of ours, a sentence each."""

    changes: tuple[Upload | Deletion, ...]
    ignored: tuple[str, ...]


def heard_of(event: dict[str, Any]) -> Heard:
    """Read one event notification.

    Source: "Event message structure" in the Amazon S3 User Guide. The test event that S3 sends when a
    notification is configured has no records.
    """
    changes: list[Upload | Deletion] = []
    ignored: list[str] = []
    for record in S3Event(event).records if "Records" in event else ():
        key = unquote_plus(record.s3.get_object.key)
        try:
            manifest_name(key)
        except ValueError as error:
            ignored.append(str(error))
        else:
            changes.append(_change(record, key))
    return Heard(tuple(changes), tuple(ignored))


def _change(record: S3EventRecord, key: str) -> Upload | Deletion:
    s3_object = record.s3.get_object
    # The bucket is versioned by the stack; S3 calls the version from before that "null".
    version_id, sequencer = s3_object.version_id or "null", str(s3_object.get("sequencer") or "")
    if record.event_name.startswith("ObjectCreated:"):
        return Upload(key, version_id, record.event_time, sequencer)
    # A delete marker hides every version; its own id names none of them.
    marker = record.event_name == "ObjectRemoved:DeleteMarkerCreated"
    return Deletion(key, None if marker else version_id, sequencer)
