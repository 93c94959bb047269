"""From a manifest to a plan. Pure: the same manifest version always gives the same bytes."""

from __future__ import annotations

from math import ceil

from lambdas.contract import s3uri
from lambdas.contract.manifest import Cluster, Images, Manifest, Pca, RegexLabel
from lambdas.contract.plan import (
    PLAN_VERSION,
    LabelRule,
    ManifestRef,
    ModelArtifact,
    PcaSpec,
    Plan,
    Source,
)
from lambdas.contract.prices import INSTANCE_TYPES
from lambdas.contract.settings import LauncherSettings

SHARDS_PER_SLOT = 4
"""Several shards a slot, so that a slow or repeated one does not leave the others idle for long."""
MIN_SHARD_IMAGES = 16
MAX_SHARD_IMAGES = 1024
"""A shard of 1,024 images is some 5 MB of features and, at 100 images/s a slot, ten seconds to repeat."""


def make_plan(
    manifest: Manifest,
    *,
    run_id: str,
    source: ManifestRef,
    submitted_at: str,
    images_listed: int,
    settings: LauncherSettings,
) -> Plan:
    """All that the Spark steps need. ``submitted_at``: ISO 8601, when the manifest was uploaded."""
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
        images_listed=images_listed,
        shard_images=shard_images(images_listed, slots(manifest.cluster)),
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
    )


def slots(cluster: Cluster) -> int:
    """Tasks that run at once: the workers' virtual CPUs, of the smallest type that may be bought."""
    return cluster.workers * min(INSTANCE_TYPES[name].vcpus for name in cluster.instance_types)


def shard_images(images: int, slots: int) -> int:
    """Images a shard: ``SHARDS_PER_SLOT`` shards for each slot, within the two limits."""
    return max(MIN_SHARD_IMAGES, min(MAX_SHARD_IMAGES, ceil(images / (slots * SHARDS_PER_SLOT))))


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
