"""What a run left, read back: the facts about it, and of each photo path, label, hash and scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lambdas.contract.documents import UnreadableError
from lambdas.contract.layout import DATASET_MANIFEST, PCA_SUMMARY, RUNS, SUCCESS_MARKER, RunLayout
from lambdas.contract.model_package import UNTRAINED
from lambdas.contract.plan import Plan
from lambdas.contract.published import Part, PublishedTable
from lambdas.contract.run import RunState, is_terminal, is_workbench
from lambdas.contract.status import sentences
from lambdas.report.sources import Files

MOST_COMPONENTS = 50
"""So many are compared at most: those that follow describe single photos more than kinds of them."""


class NothingToReportError(Exception):
    """The run has left nothing that a report could be made of. The message says why and what to do."""


class NoSuchRunError(Exception):
    """There is no such run among these files. The message says so."""


@dataclass(frozen=True)
class _Table(PublishedTable):
    """``provenance``: what made the table, as it says itself."""

    provenance: dict[str, object]


@dataclass(frozen=True)
class Photos:
    """The n photos with features, in the order of the results."""

    paths: list[str]
    labels: np.ndarray
    """Numbers into ``names``, int32 [n]; -1 without a label."""
    names: list[str]
    """Sorted."""
    digests: list[str]
    """SHA-256 of each file, in hex."""
    scores: np.ndarray
    """float32 [n, k], k at most MOST_COMPONENTS."""

    def name(self, row: int) -> str | None:
        """The label of a photo."""
        label = int(self.labels[row])
        return None if label < 0 else self.names[label]


@dataclass(frozen=True)
class Refused:
    """A photo in quarantine."""

    path: str
    label: str | None
    reason: str
    detail: str
    size_bytes: int | None


@dataclass(frozen=True)
class Published:
    """All that the report is made of but the pixels."""

    plan: Plan
    status: dict[str, Any]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    variance_ratio: list[float]
    """Share of the total variance by component, all kept ones."""
    photos: Photos
    refused: list[Refused]
    sizes: dict[str, int]
    """Bytes of each image, by path, where they are known."""

    @property
    def is_trained(self) -> bool:
        return bool(self.provenance.get("weights") != UNTRAINED)


def read_published(files: Files, run_id: str) -> Published:
    """Everything of a completed run.

    Raises:
        NoSuchRunError: there is none of this id.
        NothingToReportError: it is not completed, or its results are gone or not what was published.
    """
    status = _document(files.read(f"{RUNS}{run_id}/status.json"))
    if not status:
        raise NoSuchRunError(f"there is no run {run_id!r};")
    if is_workbench(run_id):
        raise NothingToReportError(f"{run_id} is a workbench, and there is nothing to report of one.")
    _require_completed(run_id, status)
    try:
        plan = Plan.from_json(files.read(f"{RUNS}{run_id}/plan.json") or b"")
    except UnreadableError as error:
        raise NothingToReportError(f"the plan of {run_id} cannot be read: {error}.") from error
    keys = plan.layout
    features = _manifest(files, keys.features, run_id)
    columns = _columns(files, keys.features, features, ["path", "label", "content_sha256"])
    scores = _columns(files, keys.pca, _manifest(files, keys.pca, run_id), ["path", "pca"])
    if scores.column("path").to_pylist() != columns.column("path").to_pylist():
        raise NothingToReportError(
            f"features and components of {run_id} are not of the same images: somebody changed them. "
            "Upload the manifest again for a new run."
        )
    summary = _document(files.read(f"{keys.pca_model}{PCA_SUMMARY}"))
    return Published(
        plan=plan,
        status=status,
        metrics=_document(files.read(keys.metrics)),
        provenance=features.provenance,
        variance_ratio=[float(share) for share in summary.get("explained_variance_ratio", ())],
        photos=_photos(columns, scores),
        refused=_refused(files, keys),
        sizes=_sizes(files.read(keys.index)),
    )


def _require_completed(run_id: str, status: dict[str, Any]) -> None:
    state = str(status.get("state"))
    if state == RunState.COMPLETED:
        return
    if state in set(RunState) and is_terminal(RunState(state)):
        ended = f"run {run_id} is {state}, so there is nothing to report"
        raise NothingToReportError(sentences(ended, status.get("message"), status.get("remedy")))
    raise NothingToReportError(
        f"run {run_id} has not ended yet, it is {state}. `fruits status {run_id} --watch` shows when it has."
    )


def _manifest(files: Files, prefix: str, run_id: str) -> _Table:
    with suppress(UnreadableError):
        manifest = _Table.from_json(files.read(prefix + DATASET_MANIFEST) or b"")
        if files.read(prefix + SUCCESS_MARKER) is not None:
            return manifest
    raise NothingToReportError(
        f"the results of {run_id} are not there, or not whole: {prefix} has no {SUCCESS_MARKER}. "
        "They may have expired or been removed: upload the manifest again for a new run."
    )


def _columns(files: Files, prefix: str, manifest: PublishedTable, names: Sequence[str]) -> pa.Table:
    """Some columns of all parts. Parts that are read in full are held against their hashes."""
    whole = manifest.columns.keys() <= {*names, "label"}
    tables = [_part(files, prefix, part, names, whole=whole) for part in manifest.parts]
    return pa.concat_tables(tables)


def _part(files: Files, prefix: str, part: Part, names: Sequence[str], *, whole: bool) -> pa.Table:
    key = prefix + part.name
    try:
        if not whole:
            with files.open(key, part.bytes) as opened:
                return pq.read_table(opened, columns=list(names), pre_buffer=True)
        data = files.read(key)
        if data is not None and hashlib.sha256(data).hexdigest() == part.sha256:
            return pq.read_table(pa.BufferReader(data), columns=list(names))
    except PermissionError:
        raise
    except (OSError, pa.ArrowException):  # OSError: gone, or what does not unpack
        pass
    raise NothingToReportError(
        f"{key} is not the object that {DATASET_MANIFEST} lists: somebody changed or removed it. "
        "Upload the manifest again for a new run."
    )


def _photos(columns: pa.Table, scores: pa.Table) -> Photos:
    labels = columns.column("label").to_pylist()
    names = sorted({label for label in labels if label is not None})
    numbers = {name: number for number, name in enumerate(names)}
    return Photos(
        paths=columns.column("path").to_pylist(),
        labels=np.array([numbers.get(label, -1) for label in labels], np.int32),
        names=names,
        digests=columns.column("content_sha256").to_pylist(),
        scores=_matrix(scores.column("pca"))[:, :MOST_COMPONENTS],
    )


def _matrix(lists: pa.ChunkedArray) -> np.ndarray:
    """float32 [n, k] of lists of k floats, none of them null; by the buffers: `to_numpy` imports pandas."""
    values = []
    for chunk in lists.chunks:
        flat = chunk.flatten()
        start = flat.offset * flat.type.bit_width // 8
        values.append(np.frombuffer(flat.buffers()[1], np.float32, len(flat), start))
    return np.concatenate(values).reshape(len(lists), -1)


def _refused(files: Files, keys: RunLayout) -> list[Refused]:
    try:
        table = PublishedTable.from_json(files.read(keys.quarantine + DATASET_MANIFEST) or b"")
    except UnreadableError:
        return []
    names = [part.name for part in table.parts if part.rows]
    columns = [field.name for field in fields(Refused)]
    return [
        Refused(**row) for name in names for row in _optional(files.read(keys.quarantine + name), columns)
    ]


def _sizes(index: bytes | None) -> dict[str, int]:
    rows = _optional(index, ["path", "size"])
    return {row["path"]: row["size"] for row in rows if row["size"] is not None}


def _optional(data: bytes | None, columns: list[str]) -> list[dict[str, Any]]:
    """Rows of a table without which the rest tells enough: none where it is gone, or another than it was."""
    try:
        return [] if data is None else pq.read_table(pa.BufferReader(data), columns=columns).to_pylist()
    except (OSError, pa.ArrowException):
        return []


def _document(body: bytes | None) -> dict[str, Any]:
    """The JSON object; an empty one where there is none, or something else."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
