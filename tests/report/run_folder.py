"""A completed run with its photos in a folder, as a bucket would hold it: small, drawn and made up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from infra.local.sample_images import FRUITS, draw
from lambdas.contract.layout import DATASET_MANIFEST, SUCCESS_MARKER, RunLayout
from lambdas.contract.plan import LabelRule, ManifestRef, ModelArtifact, PcaSpec, Plan, Source

RUN = "fruits-0123456789ab"
PREFIX = "s3://photos-bucket/images/fruits/"
COMPONENTS = len(FRUITS)
PHOTOS = 12
"""Of a kind."""


@dataclass
class RunFolder:
    """Where the run's files and its photos are; what a test changes, it writes again."""

    files: Path
    photos: Path
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def layout(self) -> RunLayout:
        return RunLayout("fruits", RUN)

    def write_status(self, **changes: Any) -> None:
        self.status.update(changes)
        self._write(self.layout.status, json.dumps(self.status).encode())

    def write_part(self, prefix: str, table: pa.Table, weights: str = "imagenet") -> None:
        """A published table of one part."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        data = bytes(sink.getvalue())
        name = "part-00000.parquet"
        part = {
            "name": name,
            "rows": len(table),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        manifest = {
            "rows": len(table),
            "columns": {column.name: str(column.type) for column in table.schema},
            "parts": [part],
            "provenance": {
                **dict.fromkeys(("model_sha256", "weights_sha256", "decoding_sha256"), "0f" * 32),
                "model": "mobilenet_v2",
                "weights": weights,
                "image_size": 224,
                "engine": "fast",
                "versions": {"numpy": "2.0"},
            },
        }
        self._write(prefix + name, data)
        self._write(prefix + DATASET_MANIFEST, json.dumps(manifest).encode())
        self._write(prefix + SUCCESS_MARKER, b"")

    def _write(self, key: str, data: bytes) -> None:
        path = self.files / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def write_run(folder: Path, *, labels: dict[str, str] | None = None, weights: str = "imagenet") -> RunFolder:
    """A run over the sample fruits; two are copies, two are in quarantine.

    ``labels``: other labels of photos, by path below the data set's folder.
    """
    run = RunFolder(folder / "run", folder / "photos")
    _draw_photos(run.photos)
    copied = run.photos / "kiwi" / "copy-of-003.jpg"
    copied.write_bytes((run.photos / "kiwi" / "003.jpg").read_bytes())
    broken = {"apple/cut-short.jpg": "corrupt", "lime/not-a-picture.jpg": "unreadable_format"}
    names = sorted(path.relative_to(run.photos).as_posix() for path in run.photos.rglob("*.jpg"))
    good = [name for name in names if name not in broken]
    given = [(labels or {}).get(name, name.partition("/")[0]) for name in good]
    table = pa.table({"path": [PREFIX + name for name in good], "label": given})
    scores = _scores([name.partition("/")[0] for name in good])
    digests = [hashlib.sha256((run.photos / name).read_bytes()).hexdigest() for name in good]
    features = pa.array([[0.0]] * len(good), pa.list_(pa.float32()))
    layout = run.layout
    published = table.append_column("features", features).append_column("content_sha256", pa.array(digests))
    run.write_part(layout.features, published, weights)
    run.write_part(layout.pca, table.append_column("pca", pa.array(list(scores), pa.list_(pa.float32()))))
    rows = [
        {
            "path": PREFIX + name,
            "label": name.partition("/")[0],
            "reason": why,
            "detail": why,
            "size_bytes": 9,
        }
        for name, why in broken.items()
    ]
    run.write_part(layout.quarantine, pa.Table.from_pylist(rows))
    run._write(layout.plan, _plan().to_json().encode())
    ratio = [0.4, 0.2, 0.1, 0.05, 0.03, 0.02]
    run._write(f"{layout.pca_model}model.json", json.dumps({"explained_variance_ratio": ratio}).encode())
    seconds = {"featurize": {"list": 0.5, "featurize": 8.0, "total": 8.5}}
    metrics = {"featurize": {"images_per_second": 12.5}, "seconds": seconds}
    run._write(layout.metrics, json.dumps(metrics).encode())
    run.write_status(
        state="COMPLETED",
        history=[{"state": "COMPLETED", "at": "2026-01-02T03:04:05+00:00"}],
        images_in=len(names),
        images_featurized=len(good),
        images_quarantined=len(broken),
        message=None,
        remedy=None,
        notes=[],
    )
    return run


def _draw_photos(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, fruit in FRUITS.items():
        (folder / kind).mkdir(parents=True)
        for number in range(PHOTOS):
            Image.fromarray(draw(fruit, rng)).save(folder / kind / f"{number:03d}.jpg", quality=92)
    whole = (folder / "apple" / "000.jpg").read_bytes()
    (folder / "apple" / "cut-short.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "lime" / "not-a-picture.jpg").write_bytes(b"These bytes were never a picture.")


def _scores(kinds: list[str]) -> np.ndarray:
    """Components in which each kind is a cloud of its own: float32 [n, COMPONENTS]."""
    rng = np.random.default_rng(0)
    centers = dict(zip(FRUITS, np.eye(COMPONENTS), strict=True))
    noise = 0.08 * rng.normal(size=(len(kinds), COMPONENTS))
    return (np.stack([centers[kind] for kind in kinds]) + noise).astype(np.float32)


def _plan() -> Plan:
    artifact = ModelArtifact("mobilenet_v2", "s3://b/model", "0f" * 32, "imagenet", "s3://b/w", "0f" * 32)
    return Plan(
        version=1,
        run_id=RUN,
        dataset="fruits",
        manifest=ManifestRef("data-bucket", "manifests/fruits.json", "v1"),
        submitted_at="2026-01-02T03:00:00Z",
        root="s3://data-bucket",
        sources=(Source(PREFIX),),
        suffixes=(".jpg",),
        label=LabelRule("parent_folder"),
        images_listed=1,
        shard_images=100,
        engine="fast",
        image_size=224,
        model=artifact,
        pca=PcaSpec(COMPONENTS, None, standardize=False),
        csv=True,
        notify=False,
        max_runtime_minutes=60,
    )
