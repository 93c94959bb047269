"""What both machines run: fetch, decode, resize and infer, as a task of the featurize step does.

``python -m tests.arm.features <model> <folder of pictures> <target>`` writes the features of each picture, in
the order of their names, as one NumPy array.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import numpy as np

from spark.datasets.index import ImageRef
from spark.features.model import FeatureExtractor
from spark.features.prefetch import Featurized, Stopwatch, featurize_images
from spark.images.machine_code import machine_code

IMAGE_SIZE = 224


def features_of(model: Path, pictures: Path) -> np.ndarray:
    """float32 [pictures, 1280]. Raises ValueError for a picture that has none."""
    if machine_code() is None:
        raise ValueError(
            f"what is compiled for {platform.machine()} does not run here, and is to be compared"
        )
    images = [ImageRef(f"file://{path}") for path in sorted(pictures.iterdir())]
    extract = FeatureExtractor(model.read_bytes(), IMAGE_SIZE)
    outcomes = featurize_images(images, IMAGE_SIZE, extract, Stopwatch())
    found = [outcome.features for outcome in outcomes if isinstance(outcome, Featurized)]
    if len(found) < len(images):
        raise ValueError(f"only {len(found)} of {len(images)} pictures have features")
    return np.stack(found)


if __name__ == "__main__":
    np.save(sys.argv[3], features_of(Path(sys.argv[1]), Path(sys.argv[2])))
