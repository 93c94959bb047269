"""The picture of a run's components: its labels can be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib import colors
from PIL import Image

from infra.local.results import draw_components
from lambdas.contract.layout import PCA


def hues(picture: Path) -> list[float]:
    """Of the colours that much is drawn in, 0 to 1, ascending."""
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    drawn, counts = np.unique(pixels, axis=0, return_counts=True)
    hsv = colors.rgb_to_hsv(drawn[counts > 150] / 255)
    return sorted(hsv[hsv[:, 1] > 0.2][:, 0].tolist())


def test_few_labels_have_a_hue_each(tmp_path: Path) -> None:
    labels = 9
    folder = tmp_path / PCA / "fruits/run"
    folder.mkdir(parents=True)
    rows = [
        {"label": f"label {label}", "pca": [float(label), float(place)]}
        for label in range(labels)
        for place in range(8)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "part-00000.parquet")
    picture = draw_components(tmp_path, "fruits/run/")
    assert picture is not None
    found = np.array(hues(picture))
    assert len(found) >= labels - 1  # grey is one of ten
    assert (np.diff(found) > 0.01).all()
