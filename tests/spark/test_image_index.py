from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.listing_summary import ListingSummary
from lambdas.contract.plan import Plan, Source
from spark.datasets.index import (
    BYTES_PER_INFERENCE,
    SCHEMA,
    ImageIndex,
    ImageRef,
    cut_shards,
    ensure_index,
    list_images,
    write_index,
)
from spark.datasets.object_store import open_store
from spark.errors import StepFailedError
from tests.bench.index import peak_mb
from tests.spark.conftest import REPOSITORY, PlanFactory

REFS = st.builds(ImageRef, st.text(min_size=1), st.none() | st.integers(0, 2**40), st.none() | st.text())


def listed(plan: Plan) -> list[ImageRef]:
    return list(list_images(plan, ListingSummary()))


@given(images=st.lists(REFS, min_size=1, max_size=50), shard_images=st.integers(1, 60))
def test_every_image_is_in_exactly_one_shard_and_in_order(images: list[ImageRef], shard_images: int) -> None:
    with TemporaryDirectory() as folder:
        file, again = Path(folder) / "index.parquet", Path(folder) / "again.parquet"
        assert write_index(images, shard_images, file, ListingSummary()) == len(images)
        index = ImageIndex(open_store(f"file://{folder}"), "index.parquet")
        shards = [index.shard(number) for number in range(index.shards)]
        assert [image for shard in shards for image in shard] == images
        assert index.images == len(images)
        write_index(images, shard_images, again, ListingSummary())
        assert file.read_bytes() == again.read_bytes()


@given(images=st.lists(REFS, min_size=1, max_size=50), max_cost=st.integers(1, 60))
def test_shards_cost_no_more_than_asked_and_could_not_hold_the_next_image(
    images: list[ImageRef], max_cost: int
) -> None:
    shards = list(cut_shards(images, max_cost))
    costs = [sum(image.cost for image in shard) for shard in shards]
    assert all(cost <= max_cost or len(shard) == 1 for cost, shard in zip(costs, shards, strict=True))
    assert all(cost + after[0].cost > max_cost for cost, after in zip(costs, shards[1:], strict=False))


def test_writing_and_reading_an_index_does_not_import_pandas() -> None:
    code = "import sys; from tests.bench.index import measure; measure(10); sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


@pytest.mark.slow
def test_the_drivers_memory_does_not_grow_with_the_index() -> None:
    few, many = peak_mb(10_000), peak_mb(400_000)
    assert many < few * 1.25


def test_large_photos_make_shards_of_fewer_images() -> None:
    photos = [ImageRef(str(number), 15 * BYTES_PER_INFERENCE) for number in range(100)]
    assert {len(shard) for shard in cut_shards(photos, 60)} == {4}
    assert {len(shard) for shard in cut_shards([ImageRef(str(n), 5000) for n in range(120)], 60)} == {60}


def test_the_index_is_sorted_and_filtered_by_suffix_in_any_case(
    make_plan: PlanFactory, mixed_images: Path, tmp_path: Path
) -> None:
    paths = [image.path for image in listed(make_plan(tmp_path, mixed_images))]
    assert paths == sorted(paths)
    assert f"file://{mixed_images}/odd/UPPER.JPG" in paths
    assert f"file://{mixed_images}/odd/sp ace é%20+#.jpg" in paths
    assert not any(path.endswith(".txt") for path in paths)


def test_overlapping_sources_count_an_image_once(
    make_plan: PlanFactory, mixed_images: Path, tmp_path: Path
) -> None:
    everything, part = Source(f"file://{mixed_images}"), Source(f"file://{mixed_images}/class_0/")
    once = list(listed(make_plan(tmp_path, mixed_images)))
    assert list(listed(make_plan(tmp_path, mixed_images, sources=(everything, part)))) == once


def test_named_keys_are_taken_as_they_are(make_plan: PlanFactory, mixed_images: Path, tmp_path: Path) -> None:
    source = Source(f"file://{mixed_images}", keys=("odd/zero.jpg", "not/there.jpg"))
    assert list(listed(make_plan(tmp_path, mixed_images, sources=(source,)))) == [
        ImageRef(f"file://{mixed_images}/not/there.jpg"),
        ImageRef(f"file://{mixed_images}/odd/zero.jpg"),
    ]


def test_an_earlier_attempts_index_is_used_although_images_came_since(
    make_plan: PlanFactory, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "1.jpg").write_bytes(b"1")
    plan = make_plan(tmp_path / "root", images)
    store = open_store(plan.root)
    first = ensure_index(store, plan)
    (images / "2.jpg").write_bytes(b"2")
    assert ensure_index(store, plan).images == first.images == 1


@pytest.mark.parametrize("folder", ["empty", "not_there"])
def test_no_image_at_all_is_the_users_to_correct(folder: str, make_plan: PlanFactory, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    plan = make_plan(tmp_path, tmp_path / folder)
    with pytest.raises(StepFailedError, match=r"no image below .*upload the images first"):
        ensure_index(open_store(plan.root), plan)


def test_what_was_listed_besides_is_kept_in_the_index_for_the_next_attempt(
    make_plan: PlanFactory, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    (images / "__MACOSX").mkdir(parents=True)
    for name in ("1.jpg", "2.webp", "3.webp", "._1.jpg", "__MACOSX/1.jpg", ".DS_Store"):
        (images / name).write_bytes(b"1")
    plan = make_plan(tmp_path / "root", images)
    store = open_store(plan.root)
    for _ in range(2):
        index = ensure_index(store, plan)
        assert (index.images, index.listing.images) == (1, 1)
        assert index.listing.skipped == {"junk": 3, "other_suffix": 2}
        assert index.listing.suffixes == {".webp": 2}


def test_an_index_of_before_this_was_kept_says_nothing_of_it(tmp_path: Path) -> None:
    table = pa.table({"path": ["a"], "size": [1], "etag": ["e"]}, schema=SCHEMA)
    pq.write_table(table, tmp_path / "index.parquet")
    assert ImageIndex(open_store(f"file://{tmp_path}"), "index.parquet").listing == ListingSummary()


def test_no_image_among_others_says_what_there_was(make_plan: PlanFactory, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.webp").write_bytes(b"1")
    plan = make_plan(tmp_path, tmp_path / "images")
    with pytest.raises(StepFailedError, match=r"no image below .*images\.suffixes would take \.webp"):
        ensure_index(open_store(plan.root), plan)
