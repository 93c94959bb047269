"""One bad image costs exactly itself: its neighbours get the features that they have alone."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lambdas.contract.listing_summary import ListingSummary, key_of
from lambdas.contract.object_keys import key_problem
from lambdas.contract.plan import FEATURE_DIM, LabelRule, ManifestRef, ModelArtifact, PcaSpec, Plan, Source
from lambdas.contract.report import QuarantineReason
from spark.datasets.index import ImageRef, list_images
from spark.datasets.object_store import open_store
from spark.datasets.publication import Provenance
from spark.features.prefetch import BATCH_IMAGES, Featurized, Refused, Stopwatch, featurize_images
from spark.features.reference_engine import _outcomes
from spark.features.shards import write_shard
from spark.images.decoding import Pixels, Rejected, decode
from spark.images.resize import bicubic, pillow_bicubic
from tests.spark.conftest import PlanFactory
from tests.spark.listed_bucket import ODD_KEY, ListingBucket, counted_by_the_launcher, plan_of_bucket
from tests.spark.odd_corpus import corpus
from tests.spark.odd_jpegs import jpegs, webps
from tests.spark.pictures import bomb_png, hostile, jpeg, unusual
from tests.spark.s3_endpoint import serving

SIDE = 32
SAMPLE = 120
PLAIN_KEY = st.integers(0, 10**6).map("plain/{}.jpg".format)


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
        pixels = decode(file.read_bytes(), SIDE, bicubic)
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


@pytest.fixture(scope="module")
def bucket() -> Iterator[ListingBucket]:
    server = ListingBucket()
    with serving(server):
        yield server


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_of_any_mix_what_is_listed_comes_out_is_quarantined_or_skipped_and_good_ones_are_as_they_are_alone(
    data: st.DataObject,
    bucket: ListingBucket,
    folder: Path,
    alone: dict[str, np.ndarray | QuarantineReason],
    make_plan: PlanFactory,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Good and bad images, under good and bad keys, whatever is known of their sizes."""
    fewest = data.draw(st.sampled_from((0, 3 * BATCH_IMAGES // 2)))
    keys, names = ODD_KEY | PLAIN_KEY, st.sampled_from(sorted(alone))
    kept = data.draw(st.dictionaries(keys, names, min_size=fewest, max_size=fewest + 20))
    in_bucket = {f"images/{key}": name for key, name in kept.items()}
    bucket.keys = set(in_bucket)
    bucket.contents = {
        key: None if name == "gone" else (folder / name).read_bytes() for key, name in in_bucket.items()
    }
    found = ListingSummary()
    listed = list(list_images(plan_of_bucket(make_plan), found))
    assert found == counted_by_the_launcher(bucket.keys)
    sizes = data.draw(st.sampled_from(("as listed", "unknown", "listed when it was smaller")))
    size = {"unknown": None, "listed when it was smaller": 1}
    images = [ImageRef(i.path, i.size if sizes == "as listed" else size[sizes]) for i in listed]
    root = tmp_path_factory.mktemp("run")
    plan, paths = plan_in(root), [image.path for image in images]
    outcomes = featurize_images(images, SIDE, extract, Stopwatch())
    result = write_shard(open_store(plan.root), plan, Provenance.of(plan), 0, paths, outcomes)
    out = pq.read_table(root / plan.layout.features / result.features.name).to_pylist()
    quarantined = pq.read_table(root / plan.layout.quarantine / result.quarantine.name).to_pylist()
    assert len(out) + len(quarantined) + sum(found.skipped.values()) == len(in_bucket)
    assert Counter(row["path"] for row in [*out, *quarantined]) == Counter(paths)
    for row in out:
        key = key_of(row["path"])
        assert key_problem(key) is None
        assert np.array_equal(np.array(row["features"], np.float32), alone[in_bucket[key]])
    for row in quarantined:
        key = key_of(row["path"])
        assert row["reason"] == (
            QuarantineReason.UNADDRESSABLE if key_problem(key) else alone[in_bucket[key]]
        )
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
