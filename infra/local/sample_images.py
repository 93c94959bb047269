"""A small data set of real JPEGs, drawn in code, for people who have no photos at hand.

Fruits on a white background, 100 x 100 pixels, in one folder per class, like Fruits-360. Two files are
broken on purpose, so that the quarantine has something to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 100
IMAGES_PER_CLASS = 20
BROKEN_FILES = 2

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Fruit:
    """How a class looks: radii in pixels, colours from shadow to light, share of speckles (0-1)."""

    radii: tuple[float, float]
    dark: Rgb
    light: Rgb
    speckles: float


FRUITS: dict[str, Fruit] = {
    "apple": Fruit((38, 36), (110, 10, 20), (225, 60, 60), 0.02),
    "banana": Fruit((44, 15), (170, 130, 10), (250, 225, 90), 0.01),
    "blueberry": Fruit((20, 20), (20, 25, 70), (95, 105, 170), 0.0),
    "kiwi": Fruit((34, 28), (70, 50, 20), (150, 115, 70), 0.15),
    "lime": Fruit((33, 27), (30, 90, 10), (150, 210, 70), 0.04),
    "orange": Fruit((37, 37), (190, 85, 0), (255, 170, 50), 0.08),
}


def write_sample_images(folder: Path, seed: int = 360) -> int:
    """Write ``folder/<class>/<number>.jpg`` and two corrupt files; return how many files that makes.

    The same seed draws the same pictures.
    """
    rng = np.random.default_rng(seed)
    for name, fruit in FRUITS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(IMAGES_PER_CLASS):
            picture = Image.fromarray(draw(fruit, rng))
            picture.save(folder / name / f"{number:03d}.jpg", quality=92)
    whole = (folder / "apple" / "000.jpg").read_bytes()
    (folder / "apple" / "cut-short.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "lime" / "not-a-picture.jpg").write_bytes(b"These bytes were never a picture.\n")
    return len(FRUITS) * IMAGES_PER_CLASS + BROKEN_FILES


def draw(fruit: Fruit, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One fruit, turned, scaled and lit at random: uint8 [SIDE, SIDE, 3]."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    scale = rng.uniform(0.85, 1.1)
    distance = np.hypot(along / (fruit.radii[0] * scale), across / (fruit.radii[1] * scale))
    height = np.sqrt(np.clip(1 - distance**2, 0, 1))
    light = rng.normal(size=2)
    light /= np.linalg.norm(light) * SIDE
    shade = np.clip(0.25 + 0.6 * height + (x * light[0] + y * light[1]) + rng.normal(0, 0.03, x.shape), 0, 1)
    shade = np.where(rng.random(x.shape) < fruit.speckles, shade * 0.55, shade)[..., None]
    body = np.asarray(fruit.dark) * (1 - shade) + np.asarray(fruit.light) * shade
    edge = np.clip((1.02 - distance) * 20, 0, 1)[..., None]
    pixels: npt.NDArray[np.uint8] = (body * edge + 255 * (1 - edge)).clip(0, 255).astype(np.uint8)
    return pixels
