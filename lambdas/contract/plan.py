"""The plan: all that launching and computing a run takes. Immutable, complete, JSON.

The launcher makes it from a manifest (:mod:`lambdas.runs.planning`); after that neither the Lambdas nor the
Spark steps read the manifest again. Standard library only, because Spark workers import it from a zip.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.layout import RunLayout

PLAN_VERSION = 1
FEATURE_DIM = 1280
"""Floats an image: MobileNetV2's last feature map (alpha 1.0) after global average pooling."""

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


@dataclass(frozen=True)
class Plan:
    """See the module. ``root`` is a URI without trailing slash below which all outputs are written.

    ``images_listed`` is what the launcher counted, and a lower bound where it stopped counting; the true
    list is the featurize step's index.
    """

    version: int
    run_id: str
    dataset: str
    manifest: ManifestRef
    submitted_at: str
    root: str
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
    notify: bool
    max_runtime_minutes: int
    max_quarantined_fraction: float
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
    def from_json(cls, text: str | bytes) -> Plan:
        """Read a plan back.

        Raises:
            ValueError: it is not JSON, or is of another version, or a field is missing or unknown.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("version") != PLAN_VERSION:
            raise ValueError(
                f"not a plan of version {PLAN_VERSION}; the launcher and the job differ in version"
            )
        return dataclass_from_dict(cls, data)


T = TypeVar("T")


def dataclass_from_dict(cls: type[T], data: dict[str, Any]) -> T:
    """Build a (nested) frozen dataclass from what :func:`json.loads` made of :func:`dataclasses.asdict`.

    Raises:
        ValueError: a field is missing or unknown.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := set(data) - set(fields):
        raise ValueError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
    required = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    if missing := required - set(data):
        raise ValueError(f"{cls.__name__} lacks {', '.join(sorted(missing))}")
    return cls(**{name: _convert(hints[name], value) for name, value in data.items()})


def _convert(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(option for option in typing.get_args(hint) if option is not types.NoneType)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return dataclass_from_dict(hint, value)
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, entry) for entry in value)
    return value
