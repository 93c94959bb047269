"""A run that waits, for tests that need any run, or that change what matters to them."""

from __future__ import annotations

from lambdas.contract.run import RunRecord, RunState

QUEUED = RunRecord(
    run_id="d-1",
    dataset="d",
    state=RunState.QUEUED,
    manifest_bucket="bkt",
    manifest_key="manifests/a.json",
    manifest_version_id="v1",
    sequencer="1",
    accepted_at=0.0,
    max_runtime_minutes=120,
    worst_case_eur=1.0,
    stop_when_deleted=False,
)
