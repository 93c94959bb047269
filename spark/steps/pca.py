"""The pca step: published features to principal components, as Parquet, as CSV, and as a model."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyarrow import csv
from pyspark.sql import SparkSession

from lambdas.contract.layout import part_name
from lambdas.contract.plan import Plan
from lambdas.contract.published import Part
from lambdas.contract.report import StepReport
from lambdas.contract.tables import PCA_COLUMNS, csv_columns
from spark.components.exact_pca import PcaModel, feature_matrix
from spark.components.pca_store import load_model, save_model
from spark.datasets.arrow_arrays import arrow_schema, float_lists, floats
from spark.datasets.object_store import Store, open_store
from spark.datasets.publication import (
    DatasetManifest,
    Provenance,
    encode_parquet,
    publish,
    read_part,
    read_published,
    write_part,
)
from spark.features.python_worker import shorten_pauses
from spark.steps.featurize import engine_of
from spark.steps.progress import StepMonitor
from spark.steps.shard_stats import ShardStats

log = logging.getLogger(__name__)

SCORES_SCHEMA = arrow_schema(PCA_COLUMNS)
"""Scores are computed in float64 and kept in float32, as exact as the float32 features they come from."""


def pca(
    spark: SparkSession, store: Store, plan: Plan, monitor: StepMonitor, report: StepReport
) -> StepReport:
    """Run the step and complete its report.

    Raises:
        StepFailedError: the features are not complete or do not vary, or pca.model cannot be applied, or
            storage or limits fail.
    """
    features = read_published(store, plan.layout.features)
    with monitor.phase("fit"):
        model = _model(spark, plan, features)
    with monitor.phase("score"):
        scored = _score(spark, plan, features, model, monitor)
    with monitor.phase("publish"):
        outputs = _publish(store, plan, model, scored)
    kept, notes = float(model.explained_variance_ratio.sum()), _notes(plan, model, features.rows)
    log.info("pca: %d components keep %.1f %% of the variance", len(model.components), 100 * kept)
    for note in notes:
        log.info("pca: %s", note)
    return dataclasses.replace(
        report,
        outputs=outputs,
        pca_components=len(model.components),
        explained_variance=kept,
        notes=notes,
    )


def _model(spark: SparkSession, plan: Plan, features: DatasetManifest) -> PcaModel:
    """The earlier model that the plan names, or one that is fitted to the features."""
    if plan.pca.model is not None:
        return load_model(plan, plan.pca.model)
    fitted: PcaModel = engine_of(plan).fit_pca(spark, plan, features)
    return fitted


def score_part(table: pa.Table, model: PcaModel) -> tuple[pa.Table, pa.Table]:
    """A part of the features as a part of the scores: once with a list column, once a column a component."""
    scores = model.transform(feature_matrix(table)).astype(np.float32)
    names = [table.column("path").combine_chunks(), table.column("label").combine_chunks()]
    return (
        pa.Table.from_arrays([*names, float_lists(scores)], schema=SCORES_SCHEMA),
        pa.Table.from_arrays(
            [*names, *map(floats, scores.T)], schema=arrow_schema(csv_columns(scores.shape[1]))
        ),
    )


def encode_csv(table: pa.Table) -> bytes:
    """CSV with a header; text is quoted, an absent label is empty."""
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink)
    return bytes(sink.getvalue())


def _score(
    spark: SparkSession, plan: Plan, features: DatasetManifest, model: PcaModel, monitor: StepMonitor
) -> list[tuple[Part, Part | None]]:
    """Write the scores of every part, one task each."""
    context = spark.sparkContext
    done = context.accumulator(0)
    monitor.track(features.rows, lambda: ShardStats(images=done.value, computed=done.value))
    provenance = Provenance.of(plan)
    # Bytes: where Spark encrypts its disks, PySpark 3.5 cannot broadcast arrays (a PickleBuffer has no len).
    shared = context.broadcast(model.to_npz())

    def run(parts: Iterable[tuple[int, Part]]) -> Iterator[tuple[Part, Part | None]]:
        shorten_pauses()
        store, fitted = open_store(plan.root), PcaModel.from_npz(shared.value)
        for number, part in parts:
            lists, columns = score_part(read_part(store, plan.layout.features, part), fitted)
            data = encode_parquet(lists, provenance)
            scores = write_part(store, plan.layout.pca, part_name(number, "parquet"), data, part.rows)
            text = None
            if plan.csv:
                data = encode_csv(columns)
                text = write_part(store, plan.layout.csv, part_name(number, "csv"), data, part.rows)
            done.add(part.rows)
            yield scores, text

    parts = list(enumerate(features.parts))
    return context.parallelize(parts, len(parts)).mapPartitions(run).collect()


def _publish(
    store: Store, plan: Plan, model: PcaModel, scored: Sequence[tuple[Part, Part | None]]
) -> tuple[str, ...]:
    """Declare the outputs complete, the model first: who sees scores can find what made them."""
    layout, provenance = plan.layout, Provenance.of(plan)
    save_model(store, plan, model)
    publish(store, layout.pca, SCORES_SCHEMA, [scores for scores, _ in scored], provenance)
    if not plan.csv:
        return layout.pca, layout.pca_model
    schema = arrow_schema(csv_columns(len(model.components)))
    publish(store, layout.csv, schema, [text for _, text in scored if text], provenance)
    return layout.pca, layout.csv, layout.pca_model


def _notes(plan: Plan, model: PcaModel, rows: int) -> tuple[str, ...]:
    if plan.pca.model is not None:
        return (
            f"pca.model: {plan.pca.model} was applied; the variance is that of the images it was fitted to",
        )
    asked, kept = plan.pca.components, len(model.components)
    if asked is None or asked <= kept:
        return ()
    return (f"pca.components: {asked} were asked for; only {kept} exist in {rows} images",)
