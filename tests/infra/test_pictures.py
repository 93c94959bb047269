"""The picture of a run's components: its labels can be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
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


def drawn(folder: Path, labels: int, weights: str) -> Path:
    """The picture of eight images of each label."""
    parts = folder / PCA / "fruits/run"
    parts.mkdir(parents=True)
    rows = [
        {"label": f"label {label}", "pca": [float(label), float(place)]}
        for label in range(labels)
        for place in range(8)
    ]
    pq.write_table(pa.Table.from_pylist(rows), parts / "part-00000.parquet")
    picture = draw_components(folder, "fruits/run/", weights)
    assert picture is not None
    return picture


def test_few_labels_have_a_hue_each(tmp_path: Path) -> None:
    labels = 9
    found = np.array(hues(drawn(tmp_path, labels, "imagenet")))
    assert len(found) >= labels - 1  # grey is one of ten
    assert (np.diff(found) > 0.01).all()


@pytest.mark.parametrize(("weights", "is_said"), [("untrained", True), ("weights.h5", False)])
def test_of_untrained_weights_the_picture_says_so(tmp_path: Path, weights: str, *, is_said: bool) -> None:
    with Image.open(drawn(tmp_path, 2, weights)) as picture:
        said = picture.info["Title"]
    assert said.startswith("16 images by their first two principal components")
    assert ("untrained" in said) is is_said
