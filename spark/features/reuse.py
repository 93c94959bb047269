"""Features of images that have not changed since an earlier run of the dataset.

An image is unchanged when its URI and ETag are those of the earlier run's index; features are the same
when all of the provenance but the run is: network, weights, size, decoding and package versions. Both
indexes are sorted, so a task looks only at the earlier shards whose paths overlap with its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lambdas.contract.layout import DATASET_MANIFEST, FEATURES, SUCCESS_MARKER, RunLayout
from lambdas.contract.plan import Plan
from lambdas.contract.published import Part
from spark.components.exact_pca import feature_matrix
from spark.datasets.index import ImageIndex, ImageRef
from spark.datasets.object_store import Store, exists, join_uri, list_folder, open_store, read
from spark.datasets.publication import DatasetManifest, Provenance, read_part_if_whole
from spark.features.prefetch import Featurized
from spark.images.decoding import Flaw


def find_earlier_run(store: Store, plan: Plan, provenance: Provenance) -> str | None:
    """The id of the largest completed run of the dataset whose features this run would compute alike.

    Raises:
        StepFailedError: the store refuses or does not answer.
    """
    found: list[tuple[int, str]] = []
    for run_id in _runs_of(plan):
        layout = RunLayout(plan.dataset, run_id)
        if run_id == plan.run_id or not exists(store, layout.features + SUCCESS_MARKER):
            continue
        try:
            manifest = DatasetManifest.from_json(read(store, layout.features + DATASET_MANIFEST))
        except ValueError:  # of another version of this software
            continue
        alike = dataclasses.replace(manifest.provenance, run_id=plan.run_id) == provenance
        if alike and exists(store, layout.index):
            found.append((manifest.rows, run_id))
    return max(found, default=(0, None))[1]


def _runs_of(plan: Plan) -> list[str]:
    below = list_folder(join_uri(plan.root, f"{FEATURES}{plan.dataset}/"))
    return [uri.rstrip("/").rpartition("/")[2] for uri in below.folders]


class EarlierRun:
    """The features of a completed run, by image."""

    def __init__(self, root: str, dataset: str, run_id: str) -> None:
        self._store = open_store(root)
        self._prefix = RunLayout(dataset, run_id).features
        self._index = ImageIndex(self._store, RunLayout(dataset, run_id).index)
        manifest = DatasetManifest.from_json(read(self._store, self._prefix + DATASET_MANIFEST))
        self._parts = manifest.parts  # sorted by name, so that part n is shard n of the index

    def features_of(self, images: Sequence[ImageRef]) -> dict[str, Featurized]:
        """By path: of those of the sorted ``images`` that are unchanged."""
        etags = {image.path: image.etag for image in images if image.etag is not None}
        found: dict[str, Featurized] = {}
        for number in self._index.shards_between(images[0].path, images[-1].path):
            earlier = self._index.shard(number)
            unchanged = {
                image.path for image in earlier if image.path in etags and image.etag == etags[image.path]
            }
            if unchanged:
                found.update(self._rows(self._parts[number], unchanged))
        return found

    def _rows(self, part: Part, wanted: set[str]) -> Iterator[tuple[str, Featurized]]:
        table = read_part_if_whole(self._store, self._prefix, part)
        if table is None:  # erased or replaced since: its images are computed again
            return
        rows = zip(
            table.column("path").to_pylist(),
            feature_matrix(table),
            table.column("content_sha256").to_pylist(),
            table.column("flaw").to_pylist(),
            strict=True,
        )
        for path, features, sha256, flaw in rows:
            if path in wanted:
                yield path, Featurized(features, sha256, flaw and Flaw(flaw))


@lru_cache(maxsize=1)
def open_earlier_run(root: str, dataset: str, run_id: str) -> EarlierRun:
    """The earlier run of this process: its tasks all use the same."""
    return EarlierRun(root, dataset, run_id)
