"""Where everything is in the data bucket: users, policies and lifecycle rules rely on these very names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract import layout
from lambdas.contract.layout import RunLayout

RUN = RunLayout("fruits", "fruits-0123")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("plan", "runs/fruits-0123/plan.json"),
        ("status", "runs/fruits-0123/status.json"),
        ("progress", "runs/fruits-0123/progress.json"),
        ("metrics", "runs/fruits-0123/metrics.json"),
        ("index", "runs/fruits-0123/index.parquet"),
        ("features", "Results/fruits/fruits-0123/"),
        ("pca", "Results_PCA/fruits/fruits-0123/"),
        ("csv", "Results_CSV/fruits/fruits-0123/"),
        ("quarantine", "quarantine/fruits/fruits-0123/"),
        ("pca_model", "models/pca/fruits/fruits-0123/"),
    ],
)
def test_a_runs_keys_are_the_documented_ones(name: str, key: str) -> None:
    assert getattr(RUN, name) == key


def test_reports_and_shards_have_keys_of_their_own() -> None:
    assert RUN.step_reports == "runs/fruits-0123/steps/"
    assert RUN.step_report("pca") == "runs/fruits-0123/steps/pca.json"
    assert RUN.shard_record(42) == "runs/fruits-0123/shards/part-00042.json"
    assert layout.part_name(7, "parquet") == "part-00007.parquet"


def test_a_manifest_may_lie_in_a_folder() -> None:
    assert layout.manifest_name("manifests/team/apples.json") == "team/apples"
    assert layout.rejection_key("manifests/team/apples.json") == "manifests-rejected/team/apples.json"


def test_a_key_that_is_no_manifests_is_told_with_what_would_be_one() -> None:
    with pytest.raises(
        ValueError, match=r"^'images/a.json' is not a manifest key; manifests are manifests/<"
    ):
        layout.manifest_name("images/a.json")
    with pytest.raises(ValueError, match=r"manifests/<name>\.json$"):
        layout.manifest_name("manifests/a.yaml")


def test_the_prefixes_are_those_that_users_see() -> None:
    assert layout.STEP_OUTPUTS == (
        "runs/", "Results/", "Results_PCA/", "Results_CSV/", "quarantine/", "models/pca/",
    )  # fmt: skip
    assert (layout.MANIFESTS, layout.REJECTIONS, layout.IMAGES) == (
        "manifests/", "manifests-rejected/", "images/",
    )  # fmt: skip
    assert (layout.LOGS, layout.ARTIFACTS, layout.CERTIFICATES) == ("logs/", "artifacts/", "certificates/")
    assert layout.QUERIES == "queries/"
    assert (layout.KEPT, layout.LIVE) == ("stack/kept.json", "stack/live.json")
    assert (layout.SUCCESS_MARKER, layout.DATASET_MANIFEST) == ("_SUCCESS", "_manifest.json")


@given(
    name=st.text(min_size=1, max_size=400)
    | st.integers(900, 1009).map("é".__mul__)
    | st.integers(1, 1009).map("a".__mul__)
)
def test_whatever_key_s3_takes_for_a_manifest_its_rejection_has_a_key_that_s3_takes(name: str) -> None:
    name = name.encode(errors="ignore")[: 1024 - len("manifests/.json")].decode(errors="ignore")
    key = layout.rejection_key(f"manifests/{name}.json")
    assert len(key.encode()) <= 1024
    assert key.startswith("manifests-rejected/")
    assert key.endswith(".json")
    fits = len(f"manifests-rejected/{name}.json".encode()) <= 1024
    assert (key == f"manifests-rejected/{name}.json") is fits


def test_two_long_names_that_begin_alike_have_rejections_of_their_own() -> None:
    names = [f"manifests/{'a' * 1008}{last}.json" for last in "xy"]
    assert len({layout.rejection_key(name) for name in names}) == 2
    assert layout.rejection_key(names[0]) == layout.rejection_key(names[0])


def test_a_workbenchs_notebooks_have_a_folder_of_its_name() -> None:
    assert layout.notebooks_of("explore") == "notebooks/explore/"
    assert layout.notebooks_mark("explore") == "notebooks/explore/.kept"
