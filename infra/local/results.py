"""Fetch a run's results to a folder, and look at them the way a user would: with plain pyarrow."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from lambdas.contract import layout
from lambdas.contract.model_package import UNTRAINED

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RESULT_PREFIXES = (layout.FEATURES, layout.PCA, layout.CSV, layout.QUARANTINE, layout.PCA_MODELS)
MIN_CLASSES_TO_DRAW = 2


@dataclass(frozen=True)
class Fetched:
    """What was fetched: ``files`` maps a path relative to ``folder`` to its size in bytes."""

    folder: Path
    files: dict[str, int]
    rows: dict[str, int]
    """Rows below each result prefix that holds tables."""
    quarantined: tuple[dict[str, Any], ...]
    picture: Path | None


PALETTES = ("tab10", "tab20")
"""The first does for ten labels, and tells neighbours further apart: the second has each colour twice, the
lighter one after the darker."""
MARKERS = "osD^vPX*"
"""With 20 colours, 160 labels that look different."""
LABELS_A_COLUMN = 30


def fetch(s3: S3Client, bucket: str, folder: Path, status: dict[str, Any]) -> Fetched:
    """Copy what the run wrote into ``folder``, with ``status.json`` beside it, and draw the components."""
    for prefix in (*RESULT_PREFIXES, layout.RUNS):
        shutil.rmtree(folder / prefix, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "status.json").write_text(json.dumps(status, indent=2) + "\n")
    run_folder = f"{status['dataset']}/{status['run_id']}/"
    files: dict[str, int] = {}
    for prefix in (
        *(f"{prefix}{run_folder}" for prefix in RESULT_PREFIXES),
        f"{layout.RUNS}{status['run_id']}/",
    ):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                target = folder / item["Key"]
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, item["Key"], str(target))
                files[item["Key"]] = item["Size"]
    rows = {
        prefix: table.count_rows()
        for prefix in (layout.FEATURES, layout.PCA, layout.CSV, layout.QUARANTINE)
        if (table := open_table(folder, prefix, run_folder)) is not None
    }
    quarantine = open_table(folder, layout.QUARANTINE, run_folder)
    return Fetched(
        folder=folder,
        files=files,
        rows=rows,
        quarantined=tuple(quarantine.to_table().to_pylist()) if quarantine else (),
        picture=draw_components(folder, run_folder, status["weights"]),
    )


def open_table(folder: Path, prefix: str, run_folder: str) -> ds.Dataset | None:
    """The part files below a result prefix as one pyarrow data set; None where there are none."""
    kind = "csv" if prefix == layout.CSV else "parquet"
    parts = sorted((folder / prefix / run_folder).glob(f"part-*.{kind}"))
    return ds.dataset(parts, format=kind) if parts else None


def draw_components(folder: Path, run_folder: str, weights: str) -> Path | None:
    """Plot every image at its first two principal components, coloured by label; None without two labels.

    ``weights``: what the network's are, which the title says of untrained ones.
    """
    table = open_table(folder, layout.PCA, run_folder)
    if table is None:
        return None
    rows = table.to_table(columns=["label", "pca"]).to_pylist()
    sizes = Counter(row["label"] for row in rows)
    if len(sizes) < MIN_CLASSES_TO_DRAW or len(rows[0]["pca"]) < 2:
        return None
    # Imported here: it takes half a second that only a finished run should pay.
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    palettes = [colormaps[name].colors for name in PALETTES]  # type: ignore[attr-defined]  # listed ones have
    colours = next((one for one in palettes if len(sizes) <= len(one)), palettes[-1])
    shown = sorted((label for label, _ in sizes.most_common(len(colours) * len(MARKERS))), key=str)
    columns = -(-len(shown) // LABELS_A_COLUMN)
    figure = Figure(figsize=(9 + 2 * columns, 7), layout="constrained")
    axes = figure.subplots()
    for number, label in enumerate(shown):
        members = [row["pca"] for row in rows if row["label"] == label]
        axes.scatter(
            [m[0] for m in members],
            [m[1] for m in members],
            s=16,
            alpha=0.8,
            linewidths=0,
            color=[colours[number % len(colours)]],
            marker=MARKERS[number // len(colours)],
            label=str(label),
        )
    axes.set_xlabel("principal component 1")
    axes.set_ylabel("principal component 2")
    title = f"{len(rows)} images by their first two principal components"
    if weights == UNTRAINED:
        title += ",\nof a network with untrained weights: places say nothing of what is on the images"
    axes.set_title(title)
    figure.legend(
        title="label" if len(sizes) == len(shown) else f"label ({len(shown)} of {len(sizes)})",
        loc="outside right upper",
        fontsize="small",
        ncols=columns,
        markerscale=1.5,
    )
    path = folder / "pca.png"
    figure.savefig(path, dpi=120, metadata={"Title": title})
    return path
