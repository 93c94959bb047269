"""What an expert would write by hand for one machine: two processes, LiteRT, Pillow, Parquet, and no Spark.

``python -m tests.bench.expert <model.tflite> <file that lists JPEGs> <folder>`` writes path, label and
features of each. The yardstick of `make bench`: same pixels, same network, Parquet. It has no quarantine, no
resume, no provenance, no listing and no retry.
"""

from __future__ import annotations

import multiprocessing
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

PROCESSES = 2
PART_IMAGES = 256
SIDE = 224

interpreter: Interpreter


def load(model: bytes) -> None:
    """Make this process' interpreter; called once in each."""
    global interpreter  # how a pool's initializer hands on what it made
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [1, SIDE, SIDE, 3])
    interpreter.allocate_tensors()


def features_of(path: str) -> np.ndarray:
    """float32 [1280] of the JPEG at ``path``."""
    picture = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, np.float32) / np.float32(127.5) - np.float32(1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
    interpreter.invoke()
    features: np.ndarray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return features.reshape(-1)


def write_part(folder: Path, part: tuple[int, list[str]]) -> None:
    """Featurize some images into a Parquet file."""
    number, paths = part
    matrix = np.stack([features_of(path) for path in paths])
    columns = {
        "path": paths,
        "label": [Path(path).parent.name for path in paths],
        "features": pa.FixedSizeListArray.from_arrays(matrix.ravel(), matrix.shape[1]),
    }
    pq.write_table(pa.table(columns), folder / f"part-{number:05d}.parquet", compression="zstd")


def main(model: Path, listing: Path, folder: Path) -> None:
    """Featurize every listed image."""
    folder.mkdir(parents=True)
    paths = listing.read_text().splitlines()
    parts = [paths[start : start + PART_IMAGES] for start in range(0, len(paths), PART_IMAGES)]
    with multiprocessing.Pool(PROCESSES, load, (model.read_bytes(),)) as pool:
        for _ in pool.imap_unordered(partial(write_part, folder), enumerate(parts)):
            pass


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
