"""Why runs end before their work is done, for people."""

from __future__ import annotations

from lambdas.contract.run import (
    ON_CLUSTER,
    Ending,
    FailureKind,
    RunRecord,
    RunState,
    ended,
    is_terminal,
    stopping,
)
from lambdas.runs.cluster_port import LaunchRefusedError

MANIFEST_DELETED = Ending(
    "MANIFEST_DELETED",
    "The manifest was deleted.",
    "Upload it again if the run is wanted after all.",
    FailureKind.USER,
)
PLAN_ERASED = Ending(
    "PLAN_ERASED",
    "The run's plan was erased before the run's turn came.",
    "Upload the manifest again if the run is wanted after all.",
    FailureKind.USER,
)
PLAN_OUTDATED = Ending(
    "PLAN_OUTDATED",
    "The run was accepted before the stack was upgraded; its plan does not say which cluster to launch, and "
    "its manifest, which did, was erased.",
    "Upload the manifest again: its new run has a complete plan.",
    FailureKind.OURS,
)
PACKAGES_MISSING = Ending(
    "PACKAGES_MISSING",
    "The run was accepted when the stack had the nodes' packages for Graviton machines, and it has none now.",
    "Deploy the stack again with what `make package` builds, or name x86-64 types in "
    "cluster.instance_types; then upload the manifest again.",
    FailureKind.CONFIG,
)
SUPERSEDED = Ending(
    "SUPERSEDED",
    "A newer version of the manifest was uploaded before this one's turn came.",
    "Look at the newer version's run.",
    FailureKind.USER,
)


DOOR_REMOVED = Ending(
    "DOOR_REMOVED",
    "The workbench was accepted when the stack had a door (fruits:workbenchCidrs), and it has none now.",
    "Deploy the stack with fruits:workbenchCidrs again; then upload the manifest again.",
    FailureKind.CONFIG,
)
DOOR_TAKEN = Ending(
    "DOOR_TAKEN",
    "Another workbench was opened in the same moment, and the stack has one door.",
    "`fruits runs` shows it. Cancel it, or wait until it ends; then upload the manifest again.",
    FailureKind.USER,
)


def called_off(record: RunRecord, why: Ending, now: float) -> RunRecord:
    """A run that is not wanted any more at ``now`` (Unix seconds): cancelled, or about to be with the end of
    its cluster, which others stop; until then it is charged with it."""
    if is_terminal(record.state) or record.stopping is not None:
        return record
    if record.state in ON_CLUSTER:
        return stopping(record, RunState.CANCELLED, why)
    return ended(record, RunState.CANCELLED, why, now)


def withdrawn(record: RunRecord, now: float) -> RunRecord:
    """The run as it should be when its manifest is deleted at ``now`` (Unix seconds)."""
    if record.state in ON_CLUSTER and not record.stop_when_deleted:
        return record
    # A launch in its midst may make a cluster all the same: the reconciler stops it as an orphan.
    return called_off(record, MANIFEST_DELETED, now)


def over_budget(eur: float, cap: float) -> Ending:
    """``eur``: the most that the run may cost; ``cap``: what the stack spends a day."""
    return Ending(
        reason="OVER_BUDGET",
        message=f"The run may cost {eur:.2f} EUR, and the stack spends at most {cap:.2f} EUR a day by now.",
        remedy="Upload the manifest with fewer cluster.workers or less limits.max_runtime_minutes; or deploy "
        "the stack with a higher fruits:maxEurPerDay first.",
        kind=FailureKind.CONFIG,
    )


def refused(error: LaunchRefusedError) -> Ending:
    """EMR refused to make the cluster."""
    return Ending(
        reason=error.code,
        message=f"EMR refused to create the cluster: {error.message}",
        remedy="Check cluster.instance_types and the stack's configuration (roles, subnets, release); "
        "then upload the manifest again.",
        kind=FailureKind.CONFIG,
    )
