"""Real photos in folders of their labels, parts of them, and drawn pictures that belong to none."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lambdas.report.pictures import grey_of
from spark.features.model import FeatureExtractor
from spark.images.decoding import Pixels, decode
from spark.images.resize import bicubic
from tests.bench.pictures import find_pictures
from tests.bench.planting import foreign_pictures

IMAGE_SIZE = 224


@dataclass(frozen=True)
class Part:
    """A data set made of a sample. ``rows``: its photos; ``others``: those of the kinds that it lacks;
    ``drawn``: features of pictures of nothing that it holds, float32 [n, 1280], which no other part has."""

    rows: np.ndarray
    others: np.ndarray
    drawn: np.ndarray


@dataclass(frozen=True)
class Sample:
    """Files, features float32 [n, 1280], small grey pictures, labels int [n] and their names; drawn pictures
    for several parts, float32 [parts, m, 1280]."""

    files: list[Path]
    features: np.ndarray
    greys: np.ndarray
    labels: np.ndarray
    names: list[str]
    drawn: np.ndarray

    def whole(self) -> Part:
        return Part(np.arange(len(self.labels)), np.empty(0, int), self.drawn[-1])

    def halves(self, split: int) -> tuple[Part, Part]:
        """Two halves that share no kind of thing; ``split`` numbers ways to halve."""
        sides = halved(self.names, split)
        one, other = (np.flatnonzero(np.isin(self.labels, side)) for side in sides)
        return Part(one, other, self.drawn[2 * split]), Part(other, one, self.drawn[2 * split + 1])


def halved(names: list[str], seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the names on either side, about as many. Varieties, whose names have the first word in
    common, are on the same: ``Apple Braeburn`` and ``Apple Golden 1``."""
    varieties = defaultdict(list)
    for number, name in enumerate(names):
        varieties[name.split()[0].lower()].append(number)
    sides: tuple[list[int], list[int]] = ([], [])
    kinds = sorted(varieties)
    for place in np.random.default_rng(seed).permutation(len(kinds)):
        min(sides, key=len).extend(varieties[kinds[place]])
    return sides


def read_sample(folder: Path, model: Path, cache: Path, *, parts: int, drawn: int) -> Sample:
    """The photos below ``folder``, and ``drawn`` pictures for each of ``parts``; features are kept in
    ``cache``."""
    files = find_pictures(folder)
    names, labels = np.unique([file.parent.name for file in files], return_inverse=True)
    known = "\n".join([model.name, str(parts), str(drawn), *map(str, files)])
    kept = cache / f"features-{hashlib.sha256(known.encode()).hexdigest()[:12]}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        extract = FeatureExtractor(model.read_bytes(), IMAGE_SIZE)
        pictures = [foreign_pictures(drawn, seed) for seed in range(parts)]
        np.savez(
            kept,
            features=np.stack([_features(extract, file.read_bytes()) for file in files]),
            drawn=np.stack([[_features(extract, one) for one in pool] for pool in pictures]),
        )
    greys = np.stack([grey_of(file.read_bytes()) for file in files])
    with np.load(kept) as arrays:
        return Sample(files, arrays["features"], greys, labels, names.tolist(), arrays["drawn"])


def _features(extract: FeatureExtractor, data: bytes) -> np.ndarray:
    pixels = decode(data, IMAGE_SIZE, bicubic)
    if not isinstance(pixels, Pixels):
        raise TypeError(f"a photo of the sample cannot be decoded: {pixels.detail}")
    return extract(pixels.values)
