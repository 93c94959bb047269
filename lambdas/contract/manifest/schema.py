"""The manifest: what a user uploads to ask for a run. Schema version 1.

:func:`parse_manifest` and, where it may also ask for a workbench, :func:`parse_either` are the only ways in.
``json_schema`` publishes it as ``manifest.schema.json``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    model_validator,
)

from lambdas.contract.cost.estimate import MAX_RUNTIME_MINUTES, MAX_WORKERS, MIN_RUNTIME_MINUTES, Budget
from lambdas.contract.manifest import fields
from lambdas.contract.manifest.cost_faults import cost_faults
from lambdas.contract.manifest.error_messages import faults_of
from lambdas.contract.manifest.faults import Fault, ManifestError
from lambdas.contract.manifest.json_reader import read_json
from lambdas.contract.manifest.workbench import WorkbenchManifest, hours_faults, is_workbench_document
from lambdas.contract.plan import DEFAULT_COMPONENTS, FEATURE_DIM, Engine, Market


class Images(fields.Section):
    """Where the images are: exactly one of ``prefixes`` and ``keys``."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["prefixes"]}, {"required": ["keys"]}]}
    )

    # strict=False on tuples: strictness would refuse the list that JSON has in their place.
    prefixes: fields.Prefixes = Field(
        default_factory=tuple,
        strict=False,
        min_length=1,
        max_length=10,
        description="S3 folders, each ending with '/'. Everything below with a listed suffix is an image.",
        examples=[["s3://my-bucket/images/"]],
    )
    suffixes: fields.Suffixes = Field(
        default=(".jpg", ".jpeg", ".png"),
        strict=False,
        min_length=1,
        max_length=20,
        description="How keys of images below the prefixes end: a dot, then letters or digits of any case.",
        examples=[[".jpg", ".png"]],
    )
    keys: fields.Keys = Field(
        default_factory=tuple,
        strict=False,
        min_length=1,
        description="The images themselves, one S3 URI each.",
        examples=[["s3://my-bucket/images/apple/1.jpg"]],
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = self.model_fields_set
        if {"prefixes", "keys"} <= given:
            raise fields.fault("has both prefixes and keys", "Keep one of them.")
        if not {"prefixes", "keys"} & given:
            raise fields.fault(
                "names no images", 'Add "prefixes": ["s3://<bucket>/images/"], or "keys" with single images.'
            )
        if {"suffixes", "keys"} <= given:
            raise fields.fault(
                "has suffixes beside keys, but explicit keys are taken as they are", "Remove suffixes."
            )
        return self


class RegexLabel(fields.Section):
    """The label is what the first group of ``regex`` matches in the image's path."""

    regex: fields.Pattern = Field(
        description="A regular expression of RE2's with at least one group, searched in the image's S3 URI.",
        examples=["/([^/]+)_[0-9]+\\.jpg$"],
    )


class Model(fields.Section):
    """The network that makes the features."""

    name: Literal["mobilenet_v2"] = Field(default="mobilenet_v2", description="The network.")
    image_size: Annotated[Literal[96, 128, 160, 192, 224], fields.WholeNumber] = Field(
        default=224, description="Side in pixels of the square that images are resized to.", examples=[224]
    )


_FIT_ONLY = ("components", "variance", "standardize")
"""What says how to fit a PCA, and so has no meaning beside a model that is fitted."""
_APPLIED_AS_IT_IS = tuple(("model", name) for name in _FIT_ONLY)


def _never_together(*pairs: tuple[str, str]) -> list[JsonValue]:
    return [{"not": {"required": [*pair]}} for pair in pairs]


class Pca(fields.Section):
    """How many principal components to keep: ``components`` or ``variance``; or the ``model`` to apply."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": _never_together(("components", "variance"), *_APPLIED_AS_IT_IS)}
    )

    components: int = Field(
        default=DEFAULT_COMPONENTS, ge=1, le=FEATURE_DIM, description="This many.", examples=[50]
    )
    variance: fields.Fraction = Field(
        default=None, description="As many as hold this fraction of the total variance.", examples=[0.9]
    )
    standardize: bool = Field(
        default=False, description="Divide each feature by its standard deviation first."
    )
    model: fields.ModelPrefix = Field(
        default=None,
        description="Apply the model that an earlier run saved here instead of fitting one.",
        examples=["s3://my-bucket/models/pca/fruits-360/fruits-360-0123456789ab/"],
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if {"components", "variance"} <= self.model_fields_set:
            raise fields.fault("has both components and variance", "Keep one of them.")
        if "model" in self.model_fields_set and (fit := self.model_fields_set.intersection(_FIT_ONLY)):
            raise fields.fault(
                f"has {', '.join(sorted(fit))} beside model, but an earlier run's model is applied as it is",
                "Keep model alone, or remove it.",
            )
        return self


class Outputs(fields.Section):
    """What is written beside the Parquet results."""

    csv: bool = Field(default=True, description="Also write the components as CSV, below Results_CSV/.")


class Cluster(fields.Section):
    """The transient cluster: one primary node and the workers, all of the same types. ``workers`` says how
    many, or ``finish_within_minutes`` what they are to do."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": _never_together(("workers", "finish_within_minutes"))}
    )

    workers: int = Field(default=2, ge=1, le=MAX_WORKERS, description="Worker nodes.", examples=[2])
    finish_within_minutes: fields.Minutes = Field(
        default=None,
        description="Instead of workers: the cheapest cluster is chosen that should be done so many minutes "
        "after its launch. Without instance_types, the type is chosen, too.",
        examples=[30],
    )
    instance_types: fields.InstanceTypes = Field(
        default=("m5.xlarge",),
        strict=False,
        min_length=1,
        max_length=5,
        description="EC2 instance types to choose from; several make capacity easier to get.",
        examples=[["m5.xlarge", "m6i.xlarge"]],
    )
    market: Market = Field(
        default="on_demand",
        description="How workers are bought. Spot falls back to on-demand; the primary and the first worker "
        "are always on-demand.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if {"workers", "finish_within_minutes"} <= self.model_fields_set:
            raise fields.fault(
                "has both workers and finish_within_minutes",
                "Keep workers to say how large the cluster is, or finish_within_minutes to have that chosen.",
            )
        return self


class Limits(fields.Section):
    """What the run may use at most."""

    max_runtime_minutes: int = Field(
        default=120,
        ge=MIN_RUNTIME_MINUTES,
        le=MAX_RUNTIME_MINUTES,
        description="The run is stopped after this time.",
        examples=[120],
    )
    max_cost_eur: float = Field(
        default=10.0,
        gt=0,
        le=10_000,
        description="The run is refused when it could cost more, by dated list prices (an estimate).",
        examples=[10.0],
    )
    max_quarantined_fraction: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="The run fails when more than this fraction of its images cannot be featurized.",
        examples=[0.05],
    )


def _label_kind(value: object) -> str:
    return "regex" if isinstance(value, dict | RegexLabel) else "name"


class Manifest(fields.Section):
    """Asks for MobileNetV2 features and PCA of the images of one dataset."""

    version: Annotated[Literal[1], fields.WholeNumber] = Field(
        description="The schema's version.", examples=[1]
    )
    dataset: str = Field(
        pattern=fields.DATASET_PATTERN,
        description="Names the results: lower-case letters, digits and hyphens, at most 63, no hyphen first.",
        examples=["fruits-360"],
    )
    images: Images = Field(
        description="Where the images are.", examples=[{"prefixes": ["s3://my-bucket/images/"]}]
    )
    label: Annotated[
        Annotated[Literal["parent_folder", "none"], Tag("name")] | Annotated[RegexLabel, Tag("regex")],
        Discriminator(_label_kind),
    ] = Field(default="parent_folder", description="Where an image's label comes from.")
    model: Model = Field(default=Model(), description="The network.", examples=[{"image_size": 224}])
    pca: Pca = Field(default=Pca(), description="The components to keep.", examples=[{"components": 50}])
    engine: Engine = Field(
        default="fast",
        description="fast: LiteRT and exact PCA. reference: Keras and Spark MLlib, several times slower.",
    )
    outputs: Outputs = Field(default=Outputs(), description="Extra outputs.", examples=[{"csv": True}])
    cluster: Cluster = Field(default=Cluster(), description="The cluster.", examples=[{"workers": 2}])
    limits: Limits = Field(
        default=Limits(), description="Limits.", examples=[{"max_runtime_minutes": 120, "max_cost_eur": 10}]
    )
    when_deleted: Literal["nothing", "stop"] = Field(
        default="nothing",
        description="What happens to the running cluster when this manifest is deleted. "
        "A run that has not launched yet is cancelled in either case.",
    )
    notify: bool = Field(default=False, description="Send a message to the stack's topic when the run ends.")


_Kind = TypeVar("_Kind", bound=BaseModel)


def parse_manifest(body: bytes) -> Manifest:
    """Read and check a dataset's manifest as it was uploaded.

    Raises:
        ManifestError: with every fault that was found.
    """
    return _parsed(*read_json(body))


def parse_either(body: bytes) -> Manifest | WorkbenchManifest:
    """Read and check a manifest of either kind as it was uploaded.

    Raises:
        ManifestError: with every fault that was found.
    """
    document, faults = read_json(body)
    if not is_workbench_document(document):
        return _parsed(document, faults)
    manifest = _valid(WorkbenchManifest, document, faults)
    return _faultless(manifest, [*faults, *hours_faults(manifest.workbench)])


def _parsed(document: Any, faults: list[Fault]) -> Manifest:
    manifest = _valid(Manifest, document, faults)
    cluster, limits = manifest.cluster, manifest.limits
    if cluster.finish_within_minutes is None:  # else its size is known when the images are counted
        budget = Budget(limits.max_runtime_minutes, limits.max_cost_eur)
        faults = [*faults, *cost_faults(cluster.workers, cluster.instance_types, budget)]
    return _faultless(manifest, faults)


def _valid(kind: type[_Kind], document: Any, faults: list[Fault]) -> _Kind:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise ManifestError([*faults, *faults_of(error, document, kind)]) from error


def _faultless(manifest: _Kind, faults: list[Fault]) -> _Kind:
    if faults:
        raise ManifestError(faults)
    return manifest
