"""One bad image costs exactly itself: its neighbours get the features that they have alone."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lambdas.contract.plan import FEATURE_DIM, LabelRule, ManifestRef, ModelArtifact, PcaSpec, Plan, Source
from lambdas.contract.report import QuarantineReason
from spark.datasets.index import ImageRef
from spark.datasets.object_store import open_store
from spark.datasets.publication import Provenance
from spark.features.prefetch import Featurized, Refused, Stopwatch, featurize_images
from spark.features.reference_engine import _outcomes
from spark.features.shards import write_shard
from spark.images.decoding import Pixels, Rejected, decode
from spark.images.resize import compiled_bicubic, pillow_bicubic
from tests.spark.odd_corpus import corpus
from tests.spark.odd_jpegs import jpegs, webps
from tests.spark.pictures import bomb_png, hostile, jpeg, unusual

SIDE = 32
SAMPLE = 120


def extract(pixels: np.ndarray) -> np.ndarray:
    """A network that tells any two pictures apart."""
    seed = int.from_bytes(hashlib.sha256(pixels.tobytes()).digest()[:8], "big")
    return np.random.default_rng(seed).random(FEATURE_DIM, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad images, under numbers."""
    folder = tmp_path_factory.mktemp("mixed")
    odd = [case.data for case in [*corpus(), *jpegs(), *webps()]]
    files = [*random.Random(1).sample(odd, SAMPLE), *(data for data, _ in hostile().values())]  # noqa: S311
    files += [*unusual().values(), *map(jpeg, range(20))]
    for number, data in enumerate(files):
        (folder / f"{number:03d}").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, np.ndarray | QuarantineReason]:
    """What becomes of each when there is no other."""
    outcomes: dict[str, np.ndarray | QuarantineReason] = {"gone": QuarantineReason.MISSING}
    for file in sorted(folder.iterdir()):
        pixels = decode(file.read_bytes(), SIDE, compiled_bicubic)
        outcomes[file.name] = extract(pixels.values) if isinstance(pixels, Pixels) else pixels.reason
    return outcomes


def plan_in(root: Path) -> Plan:
    return Plan(
        version=1,
        run_id="mixed-0123456789ab",
        dataset="mixed",
        manifest=ManifestRef("data", "manifests/mixed.json", "1"),
        submitted_at="2026-01-01T00:00:00Z",
        root=f"file://{root}",
        sources=(Source("file:///"),),
        suffixes=(".jpg",),
        label=LabelRule("none"),
        images_listed=0,
        shard_images=64,
        engine="fast",
        image_size=SIDE,
        model=ModelArtifact("none", "", "", "", "", ""),
        pca=PcaSpec(components=1, variance=None, standardize=False),
        csv=False,
        notify=False,
        max_runtime_minutes=1,
        max_quarantined_fraction=1.0,
    )


@settings(max_examples=25)
@given(data=st.data())
def test_of_any_mix_all_come_out_or_are_quarantined_and_good_ones_have_the_features_that_they_have_alone(
    data: st.DataObject,
    folder: Path,
    alone: dict[str, np.ndarray | QuarantineReason],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    mix = data.draw(st.lists(st.sampled_from(sorted(alone)), min_size=1, max_size=80, unique=True))
    sizes = data.draw(st.sampled_from(("listed", "unknown", "listed when it was smaller")))
    known = {"listed": lambda name: len((folder / name).read_bytes()) if name != "gone" else 1}
    size_of = {**known, "unknown": lambda _: None}.get(sizes, lambda _: 1)
    images = [ImageRef(f"file://{folder}/{name}", size_of(name)) for name in mix]
    outcomes = featurize_images(images, SIDE, extract, Stopwatch())
    root = tmp_path_factory.mktemp("run")
    plan = plan_in(root)
    paths = [image.path for image in images]
    result = write_shard(open_store(plan.root), plan, Provenance.of(plan), 0, paths, outcomes)
    features = pq.read_table(root / plan.layout.features / result.features.name).to_pylist()
    quarantine = pq.read_table(root / plan.layout.quarantine / result.quarantine.name).to_pylist()
    assert Counter(row["path"] for row in [*features, *quarantine]) == Counter(paths)
    for row in features:
        assert np.array_equal(np.array(row["features"], np.float32), alone[Path(row["path"]).name])
    for row in quarantine:
        assert row["reason"] == alone[Path(row["path"]).name]
        assert row["detail"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), QuarantineReason.TOO_LARGE),
        (AssertionError(), QuarantineReason.CORRUPT),
        (RecursionError("too deep"), QuarantineReason.CORRUPT),
        (KeyError(320), QuarantineReason.CORRUPT),
    ],
    ids=lambda given: type(given).__name__,
)
def test_whatever_a_library_raises_over_an_image_is_that_images_reason(
    error: Exception, reason: QuarantineReason
) -> None:
    def fails(picture: Image.Image, side: int) -> np.ndarray:
        raise error

    refused = decode(jpeg(1), SIDE, fails)
    assert isinstance(refused, Rejected)
    assert refused.reason is reason
    assert refused.detail


@pytest.mark.parametrize(
    "error", [MemoryError(), ValueError("the interpreter trips")], ids=["memory", "other"]
)
@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_an_image_over_which_the_network_fails_costs_itself_alone(
    error: Exception, engine: str, tmp_path: Path
) -> None:
    files = [jpeg(number) for number in range(3)]
    bad = decode(files[1], SIDE, pillow_bicubic)
    assert isinstance(bad, Pixels)

    def network(pixels: np.ndarray) -> np.ndarray:
        if np.array_equal(pixels, bad.values):
            raise error
        return extract(pixels)

    reason = QuarantineReason.TOO_LARGE if isinstance(error, MemoryError) else QuarantineReason.NOT_COMPUTED
    if engine == "reference":
        rows = _outcomes(OfBatches(network), pd.Series(files), SIDE)
        assert [row["reason"] for row in rows] == [None, reason.value, None]
        assert rows[1]["size_bytes"] == len(files[1])
        assert np.array_equal(rows[2]["features"], alone_features(files[2]))
        return
    images = []
    for number, data in enumerate(files):
        (tmp_path / str(number)).write_bytes(data)
        images.append(ImageRef(f"file://{tmp_path}/{number}"))
    first, second, third = featurize_images(images, SIDE, network, Stopwatch())
    assert isinstance(second, Refused)
    assert (second.rejected.reason, second.size) == (reason, len(files[1]))
    assert isinstance(first, Featurized)
    assert isinstance(third, Featurized)
    assert np.array_equal(third.features, alone_features(files[2]))


def alone_features(data: bytes) -> np.ndarray:
    pixels = decode(data, SIDE, pillow_bicubic)
    assert isinstance(pixels, Pixels)
    return extract(pixels.values)


@dataclass(frozen=True)
class OfBatches:
    """The reference engine's network, which takes scaled pixels of several images."""

    one: Callable[[np.ndarray], np.ndarray]

    def predict_on_batch(self, batch: np.ndarray) -> np.ndarray:
        return np.stack([self.one(((pixels + 1) * 127.5).round().astype(np.uint8)) for pixels in batch])


def test_a_jpeg_without_its_end_is_flagged_in_its_row(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.write_bytes(jpeg(5))
    cut.write_bytes(jpeg(5)[:-2])
    images = [ImageRef(f"file://{file}") for file in (whole, cut)]
    outcomes = featurize_images(images, SIDE, extract, Stopwatch())
    plan = plan_in(tmp_path / "run")
    paths = [image.path for image in images]
    result = write_shard(open_store(plan.root), plan, Provenance.of(plan), 0, paths, outcomes)
    table = pq.read_table(tmp_path / "run" / plan.layout.features / result.features.name)
    assert table.column("flaw").to_pylist() == [None, "no_end_marker"]
    first, second = table.column("features").to_pylist()
    assert first == second


@pytest.mark.parametrize(
    ("width", "height", "limit"),
    [(1, 40_000_000, "the limit is 640"), (40_000_000, 1, "the limit is 640"), (9000, 9000, "64000000")],
)
def test_a_picture_beyond_a_limit_names_it_and_costs_no_memory(width: int, height: int, limit: str) -> None:
    refused = decode(bomb_png(width, height), SIDE, pillow_bicubic)
    assert isinstance(refused, Rejected)
    assert refused.reason is QuarantineReason.TOO_LARGE
    assert limit in refused.detail
