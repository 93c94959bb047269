"""The use case: a manifest, or one version of it, was deleted."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.contract.run import ordered
from lambdas.launcher.accept import Result
from lambdas.runs.dispatch import Outcome
from lambdas.runs.ports import Newest
from lambdas.runs.run_service import RunService


@dataclass(frozen=True)
class Deletion:
    """An object of the data bucket, or the one version of it that ``version_id`` names, was deleted."""

    key: str
    version_id: str | None
    sequencer: str


def withdraw(runs: RunService, deletion: Deletion) -> Result:
    """Cancel the runs of a deleted manifest that have not launched; stop the others if it says so."""
    sequencer = ordered(deletion.sequencer)
    if deletion.version_id is None:
        runs.ledger.note(deletion.key, Newest(sequencer, deleted=True))
    for record in runs.ledger.active():
        one_of_them = deletion.version_id in (None, record.manifest_version_id)
        if record.manifest_key == deletion.key and one_of_them and record.sequencer < sequencer:
            runs.withdraw(record.run_id)
    return Result(Outcome.DELETED, f"{deletion.key} was deleted")
