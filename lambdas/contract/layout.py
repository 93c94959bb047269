"""Names of everything in the data bucket. Keys, notification filters and IAM patterns all come from here.

::

    manifests/<name>.json                    uploads; the only prefix that triggers anything
    manifests-rejected/<name>.json           why a manifest was refused and what to do (of a name beyond 1,000
                                             bytes the end is replaced by a hash)
    images/...                               by convention
    artifacts/...                            code, model and bootstrap, named by content
    certificates/...                         by which the nodes of a cluster encrypt their traffic
    runs/<run_id>/plan.json status.json progress.json metrics.json index.parquet
    runs/<run_id>/steps/<step>.json shards/part-*.json
    Results/<dataset>/<run_id>/part-*.parquet
    Results_PCA/<dataset>/<run_id>/part-*.parquet
    Results_CSV/<dataset>/<run_id>/part-*.csv
    quarantine/<dataset>/<run_id>/part-*.parquet
    models/pca/<dataset>/<run_id>/model.npz model.json mllib/
    runs/<run_id>/login.json activity.json   of a workbench
    notebooks/<name>/...                     the notebooks of the workbenches of that name
    logs/<cluster_id>/...                    written by EMR
    queries/<query_id>.csv                   what Athena answered
    stack/kept.json                          what belongs to the bucket where it outlives its stack
    stack/live.json                          which stack it belongs to, as long as that lives
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lambdas.contract.object_keys import MAX_KEY_BYTES

MANIFESTS = "manifests/"
MANIFEST_SUFFIX = ".json"
REJECTIONS = "manifests-rejected/"
IMAGES = "images/"
ARTIFACTS = "artifacts/"
CERTIFICATES = "certificates/"
RUNS = "runs/"
FEATURES = "Results/"
PCA = "Results_PCA/"
CSV = "Results_CSV/"
QUARANTINE = "quarantine/"
PCA_MODELS = "models/pca/"
NOTEBOOKS = "notebooks/"
LOGS = "logs/"
QUERIES = "queries/"
STACK = "stack/"
KEPT = f"{STACK}kept.json"
LIVE = f"{STACK}live.json"

STEP_OUTPUTS: tuple[str, ...] = (RUNS, FEATURES, PCA, CSV, QUARANTINE, PCA_MODELS)
"""Every prefix a Spark step writes below."""

REJECTION_HASH_LENGTH = 16

SUCCESS_MARKER = "_SUCCESS"
DATASET_MANIFEST = "_manifest.json"
PCA_SUMMARY = "model.json"
"""What a saved PCA is of; written last, so that a model that has it is whole."""


def manifest_name(key: str) -> str:
    """``manifests/team/apples.json`` -> ``team/apples``.

    Raises:
        ValueError: the key is not one that triggers a run.
    """
    if not (key.startswith(MANIFESTS) and key.endswith(MANIFEST_SUFFIX)):
        raise ValueError(f"{key!r} is not a manifest key; manifests are {MANIFESTS}<name>{MANIFEST_SUFFIX}")
    return key[len(MANIFESTS) : -len(MANIFEST_SUFFIX)]


def rejection_key(manifest_key: str) -> str:
    """Where the rejection of an uploaded manifest is written.

    Of a name so long that this would exceed S3's limit, the end is replaced by a hash of all of it.
    """
    name = manifest_name(manifest_key)
    key = f"{REJECTIONS}{name}{MANIFEST_SUFFIX}"
    if len(key.encode()) <= MAX_KEY_BYTES:
        return key
    ending = f"-{hashlib.sha256(name.encode()).hexdigest()[:REJECTION_HASH_LENGTH]}{MANIFEST_SUFFIX}"
    room = MAX_KEY_BYTES - len(REJECTIONS) - len(ending)
    return f"{REJECTIONS}{name.encode()[:room].decode(errors='ignore')}{ending}"


@dataclass(frozen=True)
class RunLayout:
    """The keys of one run, relative to the data bucket (or to any other root: a folder, in tests)."""

    dataset: str
    run_id: str

    @property
    def _run(self) -> str:
        return f"{RUNS}{self.run_id}/"

    @property
    def _dataset(self) -> str:
        return f"{self.dataset}/{self.run_id}/"

    @property
    def plan(self) -> str:
        return f"{self._run}plan.json"

    @property
    def status(self) -> str:
        return f"{self._run}status.json"

    @property
    def progress(self) -> str:
        return f"{self._run}progress.json"

    @property
    def index(self) -> str:
        return f"{self._run}index.parquet"

    @property
    def metrics(self) -> str:
        return f"{self._run}metrics.json"

    def shard_record(self, number: int) -> str:
        """What a finished shard consists of; written after its objects, read when a run is resumed."""
        return f"{self._run}shards/{part_name(number, 'json')}"

    @property
    def step_reports(self) -> str:
        return f"{self._run}steps/"

    def step_report(self, step: str) -> str:
        return f"{self.step_reports}{step}.json"

    @property
    def login(self) -> str:
        """Of a workbench: by what its password is checked, and not the password."""
        return f"{self._run}login.json"

    @property
    def activity(self) -> str:
        """Of a workbench: when a kernel was last busy."""
        return f"{self._run}activity.json"

    @property
    def run_all(self) -> str:
        """Of a workbench: the folder of what its notebook of that name computes."""
        return f"{self._run}run-all"

    @property
    def features(self) -> str:
        return f"{FEATURES}{self._dataset}"

    @property
    def pca(self) -> str:
        return f"{PCA}{self._dataset}"

    @property
    def csv(self) -> str:
        return f"{CSV}{self._dataset}"

    @property
    def quarantine(self) -> str:
        return f"{QUARANTINE}{self._dataset}"

    @property
    def pca_model(self) -> str:
        return f"{PCA_MODELS}{self._dataset}"


def notebooks_of(name: str) -> str:
    """Where the notebooks of the workbenches of this name are kept, from one to the next."""
    return f"{NOTEBOOKS}{name}/"


def notebooks_mark(name: str) -> str:
    """An empty object that shows that notebooks can be kept there. (``name``: ``*`` in policies.)"""
    return f"{notebooks_of(name)}.kept"


def part_name(number: int, extension: str) -> str:
    """``part-00042.parquet``: the deterministic object name of a shard."""
    return f"part-{number:05d}.{extension}"
