"""Published datasets: part objects, then ``_manifest.json``, then ``_SUCCESS``. Readers trust only the last.

Nothing in them depends on when or by whom they were written: the same plan writes the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark

from lambdas.contract.layout import DATASET_MANIFEST, SUCCESS_MARKER
from lambdas.contract.plan import Plan
from lambdas.contract.published import Part, PublishedTable
from spark import images
from spark.datasets.object_store import Store, exists, read, write
from spark.errors import StepFailedError

_ENGINE_PACKAGES = {
    "fast": ("ai-edge-litert", "numpy", "obstore", "pillow", "pyarrow", "simplejpeg"),
    "reference": ("keras", "numpy", "obstore", "pillow", "pyarrow", "simplejpeg", "tensorflow"),
}


@dataclass(frozen=True)
class Provenance:
    """What made a dataset. ``versions`` maps a package to its version; ``decoding_sha256`` is the hash of the
    code that makes pixels of files."""

    run_id: str
    dataset: str
    engine: str
    model: str
    model_sha256: str
    weights: str
    weights_sha256: str
    image_size: int
    decoding_sha256: str
    versions: dict[str, str]

    @classmethod
    def of(cls, plan: Plan) -> Provenance:
        return cls(
            run_id=plan.run_id,
            dataset=plan.dataset,
            engine=plan.engine,
            model=plan.model.name,
            model_sha256=plan.model.sha256,
            weights=plan.model.weights,
            weights_sha256=plan.model.weights_sha256,
            image_size=plan.image_size,
            decoding_sha256=decoding_sha256(),
            versions={
                "pyspark": pyspark.__version__,  # on a cluster it comes with Spark, not as a distribution
                **{package: metadata.version(package) for package in _ENGINE_PACKAGES[plan.engine]},
            },
        )

    def parquet_metadata(self) -> dict[str, str]:
        """The entries for a Parquet file's key-value metadata."""
        values = {k: v for k, v in dataclasses.asdict(self).items() if k != "versions"}
        return {f"fruits.{key}": str(value) for key, value in values.items()}


@dataclass(frozen=True)
class DatasetManifest(PublishedTable):
    """``_manifest.json`` in whole: also what made the dataset."""

    provenance: Provenance
    quarantine_reasons: dict[str, int] = field(default_factory=dict)
    """Images that are not in the dataset, by reason."""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"


def decoding_sha256() -> str:
    """The hash of all sources of what makes pixels of files, also where they are in a zip."""
    modules = sorted(module.name for module in pkgutil.iter_modules(images.__path__))
    names = (*(f"{module}.py" for module in modules), "pixels.c")
    sources = (pkgutil.get_data(images.__name__, name) or b"" for name in names)
    return hashlib.sha256(b"".join(sources)).hexdigest()


def write_part(store: Store, prefix: str, name: str, data: bytes, rows: int) -> Part:
    """Write one object of a dataset in one atomic request."""
    write(store, prefix + name, data)
    return Part(name, rows, len(data), hashlib.sha256(data).hexdigest())


def encode_parquet(table: pa.Table, provenance: Provenance) -> bytes:
    """Parquet bytes of ``table`` with its provenance; the same table gives the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(provenance.parquet_metadata()),
        sink,
        compression="zstd",
        use_dictionary=["label"],  # the other columns hardly repeat a value
    )
    return bytes(sink.getvalue())


def publish(
    store: Store,
    prefix: str,
    schema: pa.Schema,
    parts: Iterable[Part],
    provenance: Provenance,
    quarantine_reasons: dict[str, int] | None = None,
) -> None:
    """Declare the dataset below ``prefix`` complete. Its parts must have been written."""
    ordered = tuple(sorted(parts, key=lambda part: part.name))
    manifest = DatasetManifest(
        rows=sum(part.rows for part in ordered),
        columns={column.name: str(column.type) for column in schema},
        parts=ordered,
        provenance=provenance,
        quarantine_reasons=quarantine_reasons or {},
    )
    write(store, prefix + DATASET_MANIFEST, manifest.to_json().encode())
    write(store, prefix + SUCCESS_MARKER, b"")


def read_published(store: Store, prefix: str) -> DatasetManifest:
    """The manifest of a complete dataset.

    Raises:
        StepFailedError: it is not complete.
    """
    if not exists(store, prefix + SUCCESS_MARKER):
        raise StepFailedError(
            "data",
            f"{prefix} has no {SUCCESS_MARKER}: the step that writes it did not complete",
            "look at that step's report, and run it first",
        )
    return DatasetManifest.from_json(read(store, prefix + DATASET_MANIFEST))


def is_whole(store: Store, prefix: str, part: Part) -> bool:
    """Whether the object of ``part`` is there with the very bytes that were recorded."""
    return _whole(store, prefix, part) is not None


def _whole(store: Store, prefix: str, part: Part) -> bytes | None:
    try:
        data = read(store, prefix + part.name)
    except FileNotFoundError:
        return None
    return data if hashlib.sha256(data).hexdigest() == part.sha256 else None


def read_part(store: Store, prefix: str, part: Part) -> pa.Table:
    """One Parquet part of a dataset.

    Raises:
        StepFailedError: its bytes are not those that were published.
    """
    table = read_part_if_whole(store, prefix, part)
    if table is None:
        raise StepFailedError(
            "data",
            f"{prefix}{part.name} is not the object that {DATASET_MANIFEST} lists",
            "somebody changed, replaced or removed it: run again under a new manifest version",
        )
    return table


def read_part_if_whole(store: Store, prefix: str, part: Part) -> pa.Table | None:
    """One Parquet part of a dataset; None when its object is not there or not the one that was recorded."""
    data = _whole(store, prefix, part)
    return None if data is None else pq.read_table(pa.BufferReader(data))
