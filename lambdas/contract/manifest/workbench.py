"""The manifest of a workbench: what a user uploads to ask for JupyterHub beside the data.

The other kind of manifest asks for a run of a dataset (:mod:`lambdas.contract.manifest.schema`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import MAX_WORKERS
from lambdas.contract.cost.prices import MINUTES_AN_HOUR
from lambdas.contract.manifest import fields
from lambdas.contract.manifest.cost_faults import worst_case_faults
from lambdas.contract.manifest.faults import Fault, nearest

MIN_HOURS, MAX_HOURS = 1, 12
MIN_IDLE_MINUTES = 15
"""Three passes of the reconciler, which is who looks."""


class Workbench(fields.Section):
    """The workbench: one primary node, on which JupyterHub is, and the workers of its Spark sessions."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="Names its notebooks, which the next workbench of that name finds again: lower-case "
        "letters, digits and hyphens, at most 32, no hyphen first.",
        examples=["explore"],
    )
    hours: int = Field(
        default=4,
        ge=MIN_HOURS,
        le=MAX_HOURS,
        description="It is ended this long after it was asked of EMR.",
        examples=[4],
    )
    idle_minutes: int = Field(
        default=60,
        ge=MIN_IDLE_MINUTES,
        le=MAX_HOURS * MINUTES_AN_HOUR,
        description="It is ended when no kernel was busy for so long, whatever a browser has open.",
        examples=[60],
    )
    workers: int = Field(default=2, ge=1, le=MAX_WORKERS, description="Worker nodes.", examples=[2])
    instance_type: fields.X86InstanceType = Field(
        default="m5.xlarge", description="EC2 instance type of all nodes.", examples=["m5.xlarge"]
    )
    dataset: fields.DatasetName = Field(
        default=None,
        description="The notebook opens results of this dataset, by its name of at most 63 characters.",
        examples=["fruits-360"],
    )
    run: fields.RunId = Field(
        default=None,
        description="The completed run whose results it opens, by its id of at most 76 characters, as "
        "`fruits runs` lists it. Without it: the newest of the dataset.",
        examples=["fruits-360-0123456789ab"],
    )
    max_cost_eur: float = Field(
        default=10.0,
        gt=0,
        le=10_000,
        description="The workbench is refused when all of its hours could cost more, by dated list prices "
        "(an estimate).",
        examples=[10.0],
    )


class WorkbenchManifest(fields.Section):
    """Asks for JupyterHub on a cluster of its own, which ends by itself."""

    version: Annotated[Literal[1], fields.WholeNumber] = Field(
        description="The schema's version.", examples=[1]
    )
    workbench: Workbench = Field(description="The workbench.", examples=[{"name": "explore"}])
    when_deleted: Literal["nothing", "stop"] = Field(
        default="nothing",
        description="What happens to the running workbench when this manifest is deleted. "
        "One that has not launched yet is cancelled in either case.",
    )
    notify: bool = Field(
        default=False, description="Send a message to the stack's topic when the workbench ends."
    )


def is_workbench_document(document: object) -> bool:
    """Whether a manifest's JSON asks for a workbench, and not for a run of a dataset; or means to, by a key
    that is nearly right, and by none of a dataset's."""
    if not isinstance(document, dict):
        return False
    if document.keys() & {"dataset", "images"}:
        return "workbench" in document
    return any(nearest(key, ["workbench"]) for key in document)


def hours_faults(asked: Workbench) -> list[Fault]:
    """Why a workbench of this size may cost more than its own limit, and what to do."""

    def fewer_hours(affordable_minutes: int) -> str:
        hours = affordable_minutes // MINUTES_AN_HOUR
        return f"lower workbench.hours to {hours}" if hours >= MIN_HOURS else ""

    return worst_case_faults(
        "$.workbench.max_cost_eur",
        asked.max_cost_eur,
        asked.workers,
        (asked.instance_type,),
        asked.hours * MINUTES_AN_HOUR,
        said=f"a workbench of {asked.workers} workers and a primary of {asked.instance_type} "
        f"for {asked.hours} hours, and {prices.OVERRUN_MINUTES} minutes to be stopped",
        shorter=fewer_hours,
        workers_field="workbench.workers",
    )
