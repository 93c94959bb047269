"""JPEGs like those of Fruits-360: 100 x 100 pixels, some 5 kB, every one different."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 100
FOLDER_IMAGES = 500


def write_pictures(folder: Path, count: int) -> list[Path]:
    """``count`` files below ``folder``, sorted; those that are there already are kept."""
    paths = [folder / f"class_{n // FOLDER_IMAGES:03d}" / f"{n:06d}.jpg" for n in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(number))
    return paths


def find_pictures(folder: Path) -> list[Path]:
    """Every JPEG below a person's folder, sorted."""
    return sorted(path for path in folder.resolve().rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})


def picture(seed: int) -> bytes:
    """A JPEG: coarse colours with some grain, so that it compresses about as a photo does."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int16)
    grain = rng.integers(-6, 7, smooth.shape, dtype=np.int16)
    sink = BytesIO()
    Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(sink, "JPEG", quality=90)
    return sink.getvalue()
