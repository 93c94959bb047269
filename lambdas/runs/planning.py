"""From a manifest, what was counted and the cluster that was chosen, to a plan. Pure."""

from __future__ import annotations

from math import ceil

from lambdas.contract import s3uri
from lambdas.contract.cost.estimate import Budget, Estimate, Job, is_too_dear, ways_out
from lambdas.contract.cost.measured import architecture_of
from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.contract.listing_summary import ListingSummary, images_are
from lambdas.contract.manifest.faults import Fault, one_of
from lambdas.contract.manifest.schema import Images, Manifest, Pca, RegexLabel
from lambdas.contract.plan import (
    PLAN_VERSION,
    ClusterSpec,
    LabelRule,
    ManifestRef,
    ModelArtifact,
    PcaSpec,
    Plan,
    Source,
)
from lambdas.contract.settings import Caps, LauncherSettings, StackSettings
from lambdas.runs.cluster_choice import Choice
from lambdas.runs.preflight import COUNT_LIMIT

SHARDS_PER_SLOT = 4
"""Several shards per slot, so that a slow or repeated one does not leave the others idle for long."""
MAX_WAYS_OUT = 3
"""More choices than this do not help anybody to choose."""
MIN_SHARD_IMAGES = 16
SHARD_IMAGES = 1024
"""At most, of a run whose images were all counted: a part of some 5 MB and, at 40 images/s per slot, half a
minute to repeat. Spark counts opening a file for 4 MB of reading, so much smaller parts would cost a query
more than they hold. Source: Spark's "Performance Tuning", spark.sql.files.openCostInBytes."""
MAX_SHARD_IMAGES = 4096
"""The same of a run that may be any number of millions: 19 MB, and two minutes to repeat. Ten thousand parts
would cost each query as many requests and footers; Athena reads few large objects sooner than many small
ones. Source: Athena User Guide, "Optimize data". To write such a shard takes a worker 150 MB (measured), when
what decoding took is free again."""


def make_plan(
    manifest: Manifest,
    *,
    run_id: str,
    source: ManifestRef,
    submitted_at: str,
    listing: ListingSummary,
    choice: Choice,
    expected: Estimate,
    settings: LauncherSettings,
) -> Plan:
    """All that the run takes. ``submitted_at``: ISO 8601, when the manifest was uploaded."""
    cluster = choice.cluster
    root = f"{s3uri.SCHEME}{settings.data_bucket}"
    return Plan(
        version=PLAN_VERSION,
        run_id=run_id,
        dataset=manifest.dataset,
        manifest=source,
        submitted_at=submitted_at,
        root=root,
        sources=_sources(manifest.images),
        suffixes=tuple(suffix.lower() for suffix in manifest.images.suffixes),
        label=_label_rule(manifest.label),
        images_listed=listing.images,
        shard_images=shard_images(listing.images, slots(cluster)),
        engine=manifest.engine,
        image_size=manifest.model.image_size,
        model=ModelArtifact(
            name=settings.model_name,
            uri=f"{root}/{settings.model_key}",
            sha256=settings.model_sha256,
            weights=settings.weights,
            weights_uri=f"{root}/{settings.weights_key}",
            weights_sha256=settings.weights_sha256,
        ),
        pca=_pca_spec(manifest.pca),
        csv=manifest.outputs.csv,
        notify=manifest.notify,
        max_runtime_minutes=manifest.limits.max_runtime_minutes,
        max_quarantined_fraction=manifest.limits.max_quarantined_fraction,
        estimate=expected,
        cluster=cluster,
        notes=(*listing.notes(), *choice.notes),
    )


def cost_fault(job: Job, budget: Budget, expected: Estimate) -> Fault | None:
    """Why the run is too dear for its limit, with the ways to get under it; None when it is not."""
    if not is_too_dear(job, budget):
        return None
    problem = (
        f"is {budget.max_cost_eur:g}, but {images_are(job.images)} estimated to take "
        f"{expected.minutes:,.0f} minutes and {expected.eur:.2f} EUR, and may cost "
        f"{expected.worst_case_eur:.2f} EUR in limits.max_runtime_minutes = {budget.max_runtime_minutes}: "
        f"estimates by list prices of {expected.prices_as_of} in {expected.region}, {job.basis}"
    )
    ways = [way.advice for way in ways_out(job, budget)[:MAX_WAYS_OUT]]
    remedy = one_of(ways, "; or ") if ways else "Name fewer images a manifest."
    return Fault("$.limits.max_cost_eur", problem, remedy)


def daily_budget_fault(expected: Estimate, caps: Caps) -> Fault | None:
    """Why the run's turn would never come; None when the stack may spend as much in a day."""
    if caps.ever_admit(expected.worst_case_eur):
        return None
    return Fault(
        "$.limits.max_runtime_minutes",
        f"lets the run cost up to {expected.worst_case_eur:.2f} EUR, and this stack may spend "
        f"{caps.max_eur_per_day:.2f} EUR a day, so its turn would never come",
        "Lower it, cluster.workers or the instance size, or raise fruits:maxEurPerDay of the stack.",
    )


def engine_fault(manifest: Manifest, listing: ListingSummary) -> Fault | None:
    """Why the reference engine cannot take these images; None when it can, or another one is wanted.

    Its recipe has Spark read whole folders, which one object that cannot be read ends.
    """
    if manifest.engine != "reference" or not listing.unreadable:
        return None
    return Fault(
        "$.engine",
        f"is reference, which cannot leave out single images. {' '.join(listing.notes())}",
        "Use the engine fast, which quarantines them, or make them readable first.",
    )


def offer_fault(
    cluster: ClusterSpec, offered: frozenset[str] | None, settings: StackSettings
) -> Fault | None:
    """Why EMR has no machine for the run; None when it has, or its offer is not known (None or empty)."""
    if not offered or not offered.isdisjoint(cluster.instance_types):
        return None
    choices = ", ".join(_possible(offered, settings))
    remedy = (
        f"Name some of these: {choices}." if choices else "Deploy the stack with another release or region."
    )
    like = _most_like(cluster.instance_types[0], offered, settings)
    problem = (
        f"is {', '.join(cluster.instance_types)}, and EMR offers none of that in {settings.region} with "
        f"{settings.release_label}"
    )
    return Fault("$.cluster.instance_types", problem, remedy, like)


def packages_fault(
    cluster: ClusterSpec, offered: frozenset[str] | None, settings: StackSettings
) -> Fault | None:
    """Why the nodes could not install anything; None when there are packages for them."""
    architecture = architecture_of(cluster.instance_types[0])
    if architecture in settings.architectures:
        return None
    return Fault(
        "$.cluster.instance_types",
        f"names {', '.join(cluster.instance_types)} ({architecture}), and this stack was packaged for "
        f"{', '.join(settings.architectures)} alone",
        "Name types of those, or run `make package` and deploy the stack again.",
        _most_like(cluster.instance_types[0], offered or frozenset(INSTANCE_TYPES), settings),
    )


def _most_like(name: str, offered: frozenset[str], settings: StackSettings) -> str | None:
    """Of what the stack can have: a type of the same family letter and size, if possible, at a price near."""
    wanted = INSTANCE_TYPES[name]

    def distance(other: str) -> tuple[bool, bool, bool, float]:
        kind = INSTANCE_TYPES[other]
        return (
            kind.vcpus != wanted.vcpus,
            other[0] != name[0],
            kind.architecture != wanted.architecture,
            abs(kind.eur_per_hour() - wanted.eur_per_hour()),
        )

    return min(_possible(offered, settings), key=distance, default=None)


def _possible(offered: frozenset[str], settings: StackSettings) -> list[str]:
    """Types that EMR offers, whose price is known and whose packages are here."""
    return [
        name for name in INSTANCE_TYPES if name in offered and architecture_of(name) in settings.architectures
    ]


def slots(cluster: ClusterSpec) -> int:
    """Tasks that run at once: the workers' vCPUs, of the smallest type that may be bought."""
    return cluster.workers * min(INSTANCE_TYPES[name].vcpus for name in cluster.instance_types)


def shard_images(images: int, slots: int) -> int:
    """Images a shard, within the limits: equally many for each slot, so that none waits for another.

    ``images``: as they were counted, hence many more perhaps from ``COUNT_LIMIT`` on.
    """
    most = MAX_SHARD_IMAGES if images >= COUNT_LIMIT else SHARD_IMAGES
    shards_per_slot = max(SHARDS_PER_SLOT, ceil(images / (slots * most)))
    return max(MIN_SHARD_IMAGES, ceil(images / (slots * shards_per_slot)))


def _sources(images: Images) -> tuple[Source, ...]:
    if not images.keys:
        return tuple(Source(uri) for uri in images.prefixes)
    by_bucket: dict[str, list[str]] = {}
    for uri in images.keys:
        bucket, key = s3uri.split(uri)
        by_bucket.setdefault(bucket, []).append(key)
    return tuple(Source(f"{s3uri.SCHEME}{bucket}/", tuple(keys)) for bucket, keys in by_bucket.items())


def _label_rule(label: str | RegexLabel) -> LabelRule:
    if isinstance(label, RegexLabel):
        return LabelRule("regex", label.regex)
    return LabelRule("none" if label == "none" else "parent_folder")


def _pca_spec(pca: Pca) -> PcaSpec:
    fitted_by_count = pca.variance is None and pca.model is None
    return PcaSpec(pca.components if fitted_by_count else None, pca.variance, pca.standardize, pca.model)
