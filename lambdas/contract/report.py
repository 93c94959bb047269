"""Step reports: what a Spark step says of itself in ``runs/<run_id>/steps/<step>.json``.

Written by the steps (success or failure alike), read by the tracker and by people.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from lambdas.contract.documents import document_from_json

STEPS: tuple[str, ...] = ("featurize", "pca")
"""The steps of a run, in order."""
STEP_PHASES: Mapping[str, tuple[str, ...]] = {
    "featurize": ("list", "featurize", "publish"),
    "pca": ("fit", "score", "publish"),
}
"""What each step's wall time consists of, in order."""
REPORT_VERSION = 1
"""The major version of the schemas of this module, see :mod:`lambdas.contract.documents`."""

PHASES: tuple[str, ...] = ("list", "fetch", "decode", "infer", "write")
"""What featurizing consists of. ``list`` is measured as wall time, the others as busy time of the tasks."""


class QuarantineReason(StrEnum):
    """Why an image has no features. A closed vocabulary, so that it can be counted and alarmed on."""

    EMPTY = "empty"
    """Zero bytes."""
    MISSING = "missing"
    """Named by the manifest or the index, and not there when it was fetched."""
    UNREADABLE_FORMAT = "unreadable_format"
    """Not a picture in a format that we read (JPEG, PNG, WebP, BMP, TIFF, GIF)."""
    CORRUPT = "corrupt"
    """A picture by its header, but truncated or broken inside."""
    TOO_LARGE = "too_large"
    """More pixels or bytes than the limit: a decompression bomb, or no photo."""
    ANIMATED = "animated"
    """More than one frame: which of them would be meant?"""
    UNSUPPORTED_MODE = "unsupported_mode"
    """Pixels that have no agreed conversion to 8-bit RGB (32-bit integer or floating point), or that nothing
    here decodes (JPEG of 12 bits)."""
    NOT_COMPUTED = "not_computed"
    """A picture like any other, over which the network failed."""
    ARCHIVED = "archived"
    """In a storage class, or tier, from which it has to be restored first."""
    UNADDRESSABLE = "unaddressable"
    """No store client can ask for such a key (``//``, ``..``, a control character)."""


TOLD_BEFORE = frozenset({QuarantineReason.ARCHIVED, QuarantineReason.UNADDRESSABLE})
"""Reasons that lie in how an object is stored and not in what it is: they alone fail no run."""


@dataclass(frozen=True)
class StepError:
    """What went wrong and what to do, for people. ``kind`` is ``user`` | ``data`` | ``aws`` | ``ours``."""

    kind: str
    message: str
    remedy: str


@dataclass(frozen=True)
class ShardSeconds:
    """How long one shard took, from the start of its task to its record."""

    name: str
    images: int
    seconds: float


@dataclass(frozen=True)
class FeaturizeMetrics:
    """What the featurize step measured beside its counts.

    ``images_computed + images_resumed + images_reused`` are all images of the index: computed now, found
    done by an earlier attempt of this run, or taken over from an earlier run of the dataset.
    """

    images_computed: int
    images_resumed: int
    images_reused: int
    images_per_second: float
    """Images computed over the wall time of the phase ``featurize``."""
    shards: int
    task_seconds: dict[str, float]
    """Busy time by phase of a task (fetch, decode, infer, write), summed over all threads of all tasks."""
    store_retries: int
    """Reads of images that were tried again after a transient error."""
    slowest_shards: tuple[ShardSeconds, ...]


@dataclass(frozen=True)
class StepReport:
    """Everything measured by one step. ``seconds`` maps a phase to its wall time."""

    step: str
    run_id: str
    succeeded: bool
    engine: str
    weights: str
    weights_sha256: str
    model_sha256: str
    seconds: dict[str, float]
    outputs: tuple[str, ...] = ()
    images_in: int | None = None
    images_featurized: int | None = None
    images_quarantined: int | None = None
    quarantine_reasons: dict[str, int] = field(default_factory=dict)
    images_skipped: dict[str, int] = field(default_factory=dict)
    """Listed objects that are no images, by :class:`~lambdas.contract.object_keys.Kind`."""
    suffixes_skipped: dict[str, int] = field(default_factory=dict)
    """Of those that were left out for it, by suffix."""
    feature_dim: int | None = None
    pca_components: int | None = None
    explained_variance: float | None = None
    """Fraction of the total variance that the kept components hold, 0-1."""
    notes: tuple[str, ...] = ()
    """What a person should know of a result that is not quite what was asked for."""
    featurize: FeaturizeMetrics | None = None
    error: StepError | None = None
    version: int = REPORT_VERSION

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> StepReport:
        return document_from_json(cls, text, REPORT_VERSION)


@dataclass(frozen=True)
class RunMetrics:
    """``runs/<run_id>/metrics.json``: what the steps that ran so far measured.

    ``seconds``: wall time by step and phase.
    """

    run_id: str
    dataset: str
    engine: str
    images_in: int | None
    images_featurized: int | None
    images_quarantined: int | None
    quarantine_reasons: dict[str, int]
    featurize: FeaturizeMetrics | None
    explained_variance: float | None
    seconds: dict[str, dict[str, float]]

    @classmethod
    def of(cls, dataset: str, reports: Sequence[StepReport]) -> RunMetrics:
        """Of the reports of at least the featurize step, in the steps' order."""
        featurize, last = reports[0], reports[-1]
        return cls(
            run_id=featurize.run_id,
            dataset=dataset,
            engine=featurize.engine,
            images_in=featurize.images_in,
            images_featurized=featurize.images_featurized,
            images_quarantined=featurize.images_quarantined,
            quarantine_reasons=featurize.quarantine_reasons,
            featurize=featurize.featurize,
            explained_variance=last.explained_variance,
            seconds={report.step: report.seconds for report in reports},
        )

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> RunMetrics:
        return document_from_json(cls, text, REPORT_VERSION)


@dataclass(frozen=True)
class Progress:
    """``runs/<run_id>/progress.json``: where the running step is, rewritten every few seconds."""

    run_id: str
    step: str
    phase: str
    images_done: int
    images_total: int
    images_quarantined: int
    images_per_second: float
    """Images computed since the phase began; not those that were found done."""
    elapsed_seconds: float
    task_seconds: dict[str, float] = field(default_factory=dict)
    """Of the shards that are done, as are the next two: see :class:`FeaturizeMetrics`."""
    store_retries: int = 0
    slowest_shards: tuple[ShardSeconds, ...] = ()

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self)) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Progress:
        return document_from_json(cls, text, REPORT_VERSION)
