"""The plan: all that launching and computing a run takes. Immutable, complete, JSON.

The launcher makes it from a manifest (:mod:`lambdas.runs.planning`); after that neither the Lambdas nor the
Spark steps read the manifest again. Standard library only, because Spark workers import it from a zip.

There are two kinds, by what the cluster is for: a run of a dataset has a :class:`Plan`, a workbench a
:class:`WorkbenchPlan`. What the life of both needs is :class:`RunPlan`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal, Self

from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.documents import document_from_json, json_object
from lambdas.contract.layout import RunLayout

PLAN_VERSION = 1
"""The major version of the schema, see :mod:`lambdas.contract.documents`: added fields do not change it."""
FEATURE_DIM = 1280
"""Floats an image: MobileNetV2's last feature map (alpha 1.0) after global average pooling."""
DEFAULT_COMPONENTS = 50
"""Principal components of a run whose manifest asks for no number."""

Engine = Literal["fast", "reference"]
LabelKind = Literal["parent_folder", "none", "regex"]
Market = Literal["on_demand", "spot"]


@dataclass(frozen=True)
class Source:
    """Where images are: everything below ``uri``, or only the ``keys`` (relative to it) when given."""

    uri: str
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LabelRule:
    """How a label is derived from an image's path. ``pattern`` is for ``regex``: group 1 is the label."""

    kind: LabelKind
    pattern: str | None = None


@dataclass(frozen=True)
class ModelArtifact:
    """The packaged model. Hashes are SHA-256 in hex; ``weights`` says in a word what they are:
    ``imagenet``, a file's name, or ``untrained``."""

    name: str
    uri: str
    sha256: str
    weights: str
    weights_uri: str
    weights_sha256: str


@dataclass(frozen=True)
class PcaSpec:
    """Exactly one of ``components`` (a count), ``variance`` (of the total, 0-1) and ``model`` is set.

    ``model``: the prefix, with its slash, of an earlier run's model that is applied instead of fitting one.
    """

    components: int | None
    variance: float | None
    standardize: bool
    model: str | None = None


@dataclass(frozen=True)
class ClusterSpec:
    """The cluster that the manifest asks for: ``workers`` beside one primary node, bought on ``market``.

    ``instance_types``: EC2's names, of which EMR may choose.
    """

    workers: int
    instance_types: tuple[str, ...]
    market: Market


@dataclass(frozen=True)
class ManifestRef:
    """The very object version that asked for this run."""

    bucket: str
    key: str
    version_id: str


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What the life of every run needs: launching its cluster, its price, its status. ``root`` is a URI
    without trailing slash below which all outputs are written."""

    version: int
    run_id: str
    dataset: str
    """What the run is of; of a workbench its name."""
    manifest: ManifestRef
    submitted_at: str
    root: str
    notify: bool
    max_runtime_minutes: int
    estimate: Estimate | None = None
    """For status and message; the steps do not need it."""
    cluster: ClusterSpec | None = None
    """For the launch. None in plans that were written before plans held it."""
    notes: tuple[str, ...] = ()
    """What the launcher saw beside images that can simply be read, a sentence each; for the status."""

    @property
    def layout(self) -> RunLayout:
        return RunLayout(self.dataset, self.run_id)

    def to_json(self) -> str:
        """Stable text: the same plan is always the same bytes."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a plan of this kind back.

        Raises:
            UnreadableError: it is not JSON, or of a newer version, or a field is missing or of another type.
        """
        return document_from_json(cls, text, PLAN_VERSION)


@dataclass(frozen=True, kw_only=True)
class Plan(RunPlan):
    """See the module.

    ``images_listed`` is what the launcher counted, and a lower bound where it stopped counting; the true
    list is the featurize step's index.
    """

    sources: tuple[Source, ...]
    suffixes: tuple[str, ...]
    label: LabelRule
    images_listed: int
    shard_images: int
    engine: Engine
    image_size: int
    model: ModelArtifact
    pca: PcaSpec
    csv: bool
    max_quarantined_fraction: float = 1.0
    """1.0 also in plans that were written before there was a limit."""


@dataclass(frozen=True)
class WorkbenchSpec:
    """What a workbench is beside a cluster. ``opens_dataset`` and ``opens_run``: whose results the notebook
    opens, None for none, and for the newest run of the dataset."""

    idle_minutes: int
    address: str
    """The host name of the stack's door."""
    opens_dataset: str | None = None
    opens_run: str | None = None


@dataclass(frozen=True, kw_only=True)
class WorkbenchPlan(RunPlan):
    """A cluster with JupyterHub, which ends after ``max_runtime_minutes`` at the latest."""

    workbench: WorkbenchSpec


def plan_from_json(text: str | bytes) -> Plan | WorkbenchPlan:
    """Read a plan of either kind back.

    Raises:
        UnreadableError: as :meth:`RunPlan.from_json`.
    """
    kind = WorkbenchPlan if "workbench" in json_object(text) else Plan
    return kind.from_json(text)
