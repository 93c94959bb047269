"""Real fruit photos with trained weights, where a checkout of them lies beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lambdas.contract.plan import PcaSpec, Source
from tests.artifacts import TRAINED_WEIGHTS
from tests.spark.conftest import REPOSITORY, PlanFactory, run

PHOTOS = REPOSITORY.parent / "shared" / "data" / "fruits360"

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # PySpark's own
    pytest.mark.skipif(
        not (PHOTOS.exists() and TRAINED_WEIGHTS.exists()), reason="needs photos and trained weights"
    ),
]

PHOTOS_A_CLASS = 3
VARIANCE_KEPT = 0.861
"""By 50 components of these 285 photos; of more photos they keep less (73.9 % of all 8,550)."""


def test_real_photos_are_all_featurized_and_50_components_keep_their_variance(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path
) -> None:
    folder = PHOTOS / "Test"
    keys = [
        str(photo.relative_to(folder))
        for kind in sorted(folder.iterdir())
        for photo in sorted(kind.glob("*.jpg"))[:PHOTOS_A_CLASS]
    ]
    plan = make_plan(
        tmp_path,
        folder,
        sources=(Source(f"file://{folder}", tuple(keys)),),
        shard_images=64,
        image_size=224,
        pca=PcaSpec(components=50, variance=None, standardize=False),
    )
    featurized, scored = run(spark, plan, "featurize", "pca")
    assert featurized.images_featurized == featurized.images_in == len(keys)
    assert scored.explained_variance == pytest.approx(VARIANCE_KEPT, abs=0.001)
