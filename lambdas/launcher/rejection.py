"""``manifests-rejected/<name>.json``: why a manifest was refused, field by field, and what to do."""

from __future__ import annotations

import dataclasses
import json

from lambdas.contract import layout
from lambdas.contract.documents import json_object
from lambdas.contract.manifest.faults import Fault
from lambdas.contract.plan import ManifestRef
from lambdas.contract.status import timestamp
from lambdas.runs.ports import Objects


def write(
    objects: Objects,
    source: ManifestRef,
    sequencer: str,
    faults: tuple[Fault, ...],
    notes: tuple[str, ...],
    now: float,
) -> None:
    """Say why this version was refused, unless a later one was.

    ``notes``: what was seen of the images besides. ``now``: Unix seconds.
    """
    if _is_of_a_later_version(objects, source.key, sequencer):
        return
    rejection = {
        "manifest": dataclasses.asdict(source),
        "sequencer": sequencer,
        "rejected_at": timestamp(now),
        "faults": [dataclasses.asdict(fault) for fault in faults],
        "notes": notes,
        "schema": "lambdas/contract/manifest/manifest.schema.json, version 1",
    }
    objects.write(layout.rejection_key(source.key), json.dumps(rejection, indent=2) + "\n")


def remove(objects: Objects, key: str, sequencer: str) -> None:
    """This version was accepted: what was wrong with earlier ones does not matter any more."""
    if not _is_of_a_later_version(objects, key, sequencer):
        objects.delete(layout.rejection_key(key))


def _is_of_a_later_version(objects: Objects, key: str, sequencer: str) -> bool:
    known = json_object(objects.read(layout.rejection_key(key)))
    return str(known.get("sequencer", "")) > sequencer
