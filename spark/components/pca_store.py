"""A fitted PCA as objects: our arrays, a summary for people, and an MLlib ``PCAModel``.

::

    model.npz    mean, scale, components and variance, float64
    model.json   the variance for people, and which features the model is of
    mllib/       what ``pyspark.ml.feature.PCAModel.load`` reads

MLlib's files are written here, not by Spark, so that the bytes depend on nothing but the model and no
Hadoop file system is needed. MLlib's model has no mean: its ``transform`` takes features that were centred
and divided by ``scale`` before.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark

from lambdas.contract.documents import dataclass_from_dict
from lambdas.contract.layout import PCA_SUMMARY
from lambdas.contract.plan import Plan
from spark.components.exact_pca import PcaModel
from spark.datasets.object_store import Store, open_store, read, write
from spark.errors import StepFailedError

_ARRAYS = "model.npz"
_MLLIB = "mllib/"

_ANOTHER_MODEL = "name the models/pca/<dataset>/<run_id>/ of a completed run, or leave pca.model out"

# Spark's user-defined types, as it writes them into Parquet (org.apache.spark.ml.linalg, Spark 3.5).
_VECTOR = [
    ("type", pa.int8()),
    ("size", pa.int32()),
    ("indices", pa.list_(pa.int32())),
    ("values", pa.list_(pa.float64())),
]
_MATRIX = [
    ("type", pa.int8()),
    ("numRows", pa.int32()),
    ("numCols", pa.int32()),
    ("colPtrs", pa.list_(pa.int32())),
    ("rowIndices", pa.list_(pa.int32())),
    ("values", pa.list_(pa.float64())),
    ("isTransposed", pa.bool_()),
]
_DENSE = 1
_SPARK_TYPES = {pa.int8(): "byte", pa.int32(): "integer", pa.float64(): "double", pa.bool_(): "boolean"}


@dataclass(frozen=True)
class FeatureSpace:
    """Which features a model is of. Those of another network, weights or size mean something else."""

    model: str
    model_sha256: str
    weights_sha256: str
    image_size: int

    @classmethod
    def of(cls, plan: Plan) -> FeatureSpace:
        return cls(plan.model.name, plan.model.sha256, plan.model.weights_sha256, plan.image_size)


def save_model(store: Store, plan: Plan, model: PcaModel) -> None:
    """Write all forms of the model below ``plan.layout.pca_model``; the same model gives the same bytes."""
    prefix = plan.layout.pca_model
    ratio = model.explained_variance_ratio
    summary = {
        "components": len(model.components),
        "explained_variance": float(ratio.sum()),
        "explained_variance_ratio": ratio.tolist(),
        "features": dataclasses.asdict(FeatureSpace.of(plan)),
    }
    for name, data in mllib_files(model).items():
        write(store, f"{prefix}{_MLLIB}{name}", data)
    write(store, prefix + _ARRAYS, model.to_npz())
    write(store, prefix + PCA_SUMMARY, (json.dumps(summary, indent=2, sort_keys=True) + "\n").encode())


def load_model(plan: Plan, uri: str) -> PcaModel:
    """The model that an earlier run saved below ``uri``.

    Raises:
        StepFailedError: there is none, or it is of other features than this plan's.
    """
    store = open_store(uri.rstrip("/"))
    try:
        summary = json.loads(read(store, PCA_SUMMARY))
        arrays = read(store, _ARRAYS)
    except FileNotFoundError as error:
        raise StepFailedError("user", f"pca.model: there is no model at {uri}", _ANOTHER_MODEL) from error
    theirs, ours = dataclass_from_dict(FeatureSpace, summary["features"]), FeatureSpace.of(plan)
    if theirs != ours:
        raise StepFailedError(
            "user", f"pca.model: {uri} is of features of {theirs}, this run's are of {ours}", _ANOTHER_MODEL
        )
    return PcaModel.from_npz(arrays)


def mllib_files(model: PcaModel) -> dict[str, bytes]:
    """The files of an MLlib ``PCAModel``, by name below its folder."""
    components, features = model.components.shape
    metadata = {
        "class": "org.apache.spark.ml.feature.PCAModel",
        "timestamp": 0,  # a true one would make every run's bytes differ
        "sparkVersion": pyspark.__version__,
        "uid": "PCA_fruits",
        "paramMap": {"inputCol": "features", "outputCol": "pca", "k": components},
        "defaultParamMap": {},
    }
    matrix = {
        "type": _DENSE,
        "numRows": features,
        "numCols": components,
        "values": np.ravel(model.components),  # column-major of the transpose
        "isTransposed": False,
    }
    vector = {"type": _DENSE, "values": model.explained_variance_ratio}
    schema = pa.schema([("pc", pa.struct(_MATRIX)), ("explainedVariance", pa.struct(_VECTOR))]).with_metadata(
        {"org.apache.spark.sql.parquet.row.metadata": json.dumps(_spark_schema())}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([{"pc": matrix, "explainedVariance": vector}], schema), sink)
    return {
        "metadata/part-00000": (json.dumps(metadata) + "\n").encode(),
        "metadata/_SUCCESS": b"",
        "data/part-00000.parquet": bytes(sink.getvalue()),
        "data/_SUCCESS": b"",
    }


def _spark_schema() -> dict[str, object]:
    return {
        "type": "struct",
        "fields": [
            _field("pc", _user_defined("Matrix", _MATRIX)),
            _field("explainedVariance", _user_defined("Vector", _VECTOR)),
        ],
    }


def _user_defined(kind: str, members: list[tuple[str, pa.DataType]]) -> dict[str, object]:
    return {
        "type": "udt",
        "class": f"org.apache.spark.ml.linalg.{kind}UDT",
        "pyClass": f"pyspark.ml.linalg.{kind}UDT",
        "sqlType": {"type": "struct", "fields": [_field(name, _spark_type(t)) for name, t in members]},
    }


def _field(name: str, kind: object) -> dict[str, object]:
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}


def _spark_type(kind: pa.DataType) -> object:
    if pa.types.is_list(kind):
        return {"type": "array", "elementType": _SPARK_TYPES[kind.value_type], "containsNull": False}
    return _SPARK_TYPES[kind]
