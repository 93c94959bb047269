"""One shard: its two objects, and the record that lets a later attempt of the run skip it.

Runs in a Spark task. The same encoding and the same accounting serve both engines.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lambdas.contract.documents import dataclass_from_dict
from lambdas.contract.layout import part_name
from lambdas.contract.plan import FEATURE_DIM, Plan
from lambdas.contract.published import Part
from lambdas.contract.tables import FEATURES_COLUMNS, QUARANTINE_COLUMNS
from spark.datasets.arrow_arrays import arrow_schema, float_lists, integers, strings
from spark.datasets.labels import labeller
from spark.datasets.object_store import Store, read, write
from spark.datasets.publication import Provenance, encode_parquet, is_whole, write_part
from spark.features.prefetch import Featurized, Refused

FEATURES_SCHEMA = arrow_schema(FEATURES_COLUMNS)
QUARANTINE_SCHEMA = arrow_schema(QUARANTINE_COLUMNS)


@dataclass(frozen=True)
class ShardResult:
    """What a shard consists of."""

    images: int
    features: Part
    quarantine: Part
    reasons: dict[str, int]

    @property
    def balanced(self) -> bool:
        """Nothing was lost: every image has features or a reason."""
        return (
            self.images == self.features.rows + self.quarantine.rows
            and sum(self.reasons.values()) == self.quarantine.rows
        )


@dataclass(frozen=True)
class ShardRecord:
    """The object written after a shard's two: what they are and what made them."""

    result: ShardResult
    provenance: Provenance


@dataclass(frozen=True)
class ShardWork:
    """What a task reports of its shard: small, because it travels to the driver.

    ``seconds`` is the task's wall time, ``phase_seconds`` the busy time of its threads.
    """

    result: ShardResult
    computed: int = 0
    resumed: int = 0
    reused: int = 0
    seconds: float = 0.0
    phase_seconds: dict[str, float] = field(default_factory=dict)
    retries: int = 0


def finished_shard(store: Store, plan: Plan, provenance: Provenance, number: int) -> ShardResult | None:
    """What an earlier attempt made of the shard; None unless both objects are whole and this software's.

    Raises:
        StepFailedError: the store refuses or does not answer.
    """
    try:
        record = dataclass_from_dict(ShardRecord, json.loads(read(store, plan.layout.shard_record(number))))
    except (FileNotFoundError, ValueError):  # none, or of another version of this software
        return None
    result, layout = record.result, plan.layout
    whole = (
        record.provenance == provenance
        and result.balanced
        and is_whole(store, layout.features, result.features)
        and is_whole(store, layout.quarantine, result.quarantine)
    )
    return result if whole else None


def write_shard(
    store: Store,
    plan: Plan,
    provenance: Provenance,
    number: int,
    paths: Sequence[str],
    outcomes: Sequence[Featurized | Refused],
) -> ShardResult:
    """Write a shard's two objects, then its record. Both always, so that a retry replaces all that an
    attempt has said."""
    label_of = labeller(plan.label)
    name = part_name(number, "parquet")
    good = [(path, o) for path, o in zip(paths, outcomes, strict=True) if isinstance(o, Featurized)]
    bad = [(path, o) for path, o in zip(paths, outcomes, strict=True) if isinstance(o, Refused)]
    matrix = np.stack([o.features for _, o in good]) if good else np.empty((0, FEATURE_DIM), np.float32)
    features = pa.Table.from_arrays(
        [
            strings([path for path, _ in good]),
            strings([label_of(path) for path, _ in good]),
            float_lists(matrix),
            strings([o.sha256 for _, o in good]),
            strings([o.flaw for _, o in good]),
        ],
        schema=FEATURES_SCHEMA,
    )
    quarantine = pa.Table.from_arrays(
        [
            strings([path for path, _ in bad]),
            strings([label_of(path) for path, _ in bad]),
            strings([o.rejected.reason.value for _, o in bad]),
            strings([o.rejected.detail for _, o in bad]),
            integers([o.size for _, o in bad]),
        ],
        schema=QUARANTINE_SCHEMA,
    )
    result = ShardResult(
        images=len(paths),
        quarantine=write_part(
            store, plan.layout.quarantine, name, encode_parquet(quarantine, provenance), len(bad)
        ),
        features=write_part(
            store, plan.layout.features, name, encode_parquet(features, provenance), len(good)
        ),
        reasons=dict(sorted(Counter(o.rejected.reason.value for _, o in bad).items())),
    )
    record = json.dumps(dataclasses.asdict(ShardRecord(result, provenance)), sort_keys=True)
    write(store, plan.layout.shard_record(number), record.encode())
    return result
