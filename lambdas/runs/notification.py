"""The message that tells a person how a run ended. Pure."""

from __future__ import annotations

from lambdas.contract.run import RunState
from lambdas.contract.status import Status

MAX_SUBJECT_LENGTH = 100
"""SNS' limit; subjects are ASCII, which run ids and states are."""


def subject(status: Status) -> str:
    """``COMPLETED: fruits-360-0123456789ab``."""
    return f"{status.state}: {status.run_id}"[:MAX_SUBJECT_LENGTH]


def body(status: Status) -> str:
    """Plain text: what happened, what to do, where to look."""
    lines = [f"Run {status.run_id} of dataset {status.dataset}: {status.state}.", ""]
    if status.images_in is not None:
        lines.append(
            f"Images: {status.images_in} in, {status.images_featurized} with features, "
            f"{status.images_quarantined} in quarantine."
        )
    if status.explained_variance is not None:
        lines.append(
            f"PCA: {status.pca_components} components hold {status.explained_variance:.1%} of the variance."
        )
    if cost := _cost(status):
        lines.append(cost)
    if status.state is not RunState.COMPLETED:
        lines += [f"What happened: {status.message}", f"What to do: {status.remedy}"]
    lines += [f"Results: {output}" for output in status.outputs]
    if status.logs:
        lines.append(f"Logs: {status.logs}")
    lines.append(f"Manifest: s3://{status.manifest.bucket}/{status.manifest.key}")
    return "\n".join(lines) + "\n"


def _cost(status: Status) -> str | None:
    # All known, or nothing to compare: what was expected stands in the plan, which may not be readable.
    if status.actual_eur is None or status.instance_hours is None or status.estimated_eur is None:
        return None
    return (
        f"Cost: about {status.actual_eur:.2f} EUR for {status.instance_hours:.2f} instance hours, by list "
        f"prices of {status.prices_as_of}, not a bill; {status.estimated_eur:.2f} EUR were expected."
    )
