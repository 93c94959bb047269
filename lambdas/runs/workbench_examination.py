"""Whether this stack can open a workbench: what the launcher decides by, and what `fruits plan` says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from lambdas.contract import s3uri
from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.layout import FEATURES, notebooks_mark, notebooks_of
from lambdas.contract.manifest.faults import Fault, nearest
from lambdas.contract.manifest.workbench import Workbench, WorkbenchManifest
from lambdas.contract.plan import PLAN_VERSION, ClusterSpec, ManifestRef, WorkbenchPlan, WorkbenchSpec
from lambdas.contract.run import RunRecord, RunState, is_workbench
from lambdas.contract.settings import StackSettings
from lambdas.runs.cluster_port import Clusters
from lambdas.runs.planning import offer_fault
from lambdas.runs.ports import Buckets, Ledger, Objects

BASIS = "all of its hours"


@dataclass(frozen=True)
class ExaminedWorkbench:
    """What was found. ``dataset`` and ``run``: whose results it opens."""

    cluster: ClusterSpec
    expected: Estimate
    dataset: str | None
    run: str | None
    faults: tuple[Fault, ...]


def examine_workbench(
    manifest: WorkbenchManifest,
    settings: StackSettings,
    ledger: Ledger,
    buckets: Buckets,
    clusters: Clusters,
    manifest_key: str | None = None,
) -> ExaminedWorkbench:
    """Hold what is asked for against what the stack has, opens already, and may spend.

    ``manifest_key``: of the upload. Its own older version does not stand in its way while that waits: this
    one replaces it.
    """
    asked = manifest.workbench
    cluster = ClusterSpec(asked.workers, (asked.instance_type,), "on_demand")
    expected = price(asked, settings.region)
    opens = ledger.get(asked.run) if asked.run else None
    faults = [
        *_door_faults(settings, ledger, manifest_key),
        *_results_faults(asked, opens, settings, buckets),
        *_machine_faults(cluster, settings, clusters),
        *_budget_faults(asked, expected, settings),
    ]
    dataset = asked.dataset or (opens.dataset if opens else None)
    return ExaminedWorkbench(cluster, expected, dataset, asked.run, tuple(faults))


def notebooks_fault(objects: Objects, bucket: str, name: str) -> Fault | None:
    """Why notebooks of that name cannot be kept, as far as the bucket and its key decide it; None where they
    can. Whether the nodes may is found out by the set-up step, before anybody is let in."""
    if (why := objects.refusal(notebooks_mark(name))) is None:
        return None
    return Fault(
        "$.workbench.name",
        f"keeps its notebooks at {s3uri.SCHEME}{bucket}/{notebooks_of(name)}, where nothing can be written "
        f"({why})",
        "See what the policies of the bucket and of its key refuse there (`pulumi up --refresh` restores the "
        "stack's own); then upload the manifest again.",
    )


def price(asked: Workbench, region: str) -> Estimate:
    """What the workbench costs if it is used to its end, which is what it is admitted for."""
    types, minutes = (asked.instance_type,), asked.hours * prices.MINUTES_AN_HOUR
    return Estimate(
        region=region,
        minutes=float(minutes),
        eur=round(prices.eur_per_hour(types, asked.workers, region) * asked.hours, 2),
        worst_case_eur=round(prices.worst_case_eur(types, asked.workers, minutes, region), 2),
        prices_as_of=prices.PRICES_AS_OF,
        basis=BASIS,
    )


def make_workbench_plan(
    manifest: WorkbenchManifest,
    found: ExaminedWorkbench,
    *,
    run_id: str,
    source: ManifestRef,
    submitted_at: str,
    settings: StackSettings,
) -> WorkbenchPlan:
    """All that the workbench takes. ``submitted_at``: ISO 8601, when the manifest was uploaded."""
    asked = manifest.workbench
    return WorkbenchPlan(
        version=PLAN_VERSION,
        run_id=run_id,
        dataset=asked.name,
        manifest=source,
        submitted_at=submitted_at,
        root=f"{s3uri.SCHEME}{settings.data_bucket}",
        notify=manifest.notify,
        max_runtime_minutes=asked.hours * prices.MINUTES_AN_HOUR,
        estimate=found.expected,
        cluster=found.cluster,
        workbench=WorkbenchSpec(asked.idle_minutes, settings.workbench_address, found.dataset, found.run),
    )


def _door_faults(settings: StackSettings, ledger: Ledger, manifest_key: str | None) -> Iterator[Fault]:
    if not settings.workbench_address:
        yield Fault(
            "$.workbench",
            "asks for a workbench, and this stack has no door to one: fruits:workbenchCidrs is empty",
            "Name the networks that may come in, such as `pulumi config set --path "
            "'fruits:workbenchCidrs[0]' 203.0.113.0/24`, and `pulumi up`; then upload the manifest again.",
        )
    elif (other := _open_workbench(ledger, manifest_key)) is not None:
        yield Fault(
            "$.workbench",
            f"asks for a workbench, but {other.dataset} is open or waits (run {other.run_id}), and the stack "
            "has one door",
            f"Use that one, cancel it (`fruits cancel {other.run_id}`), or wait until it ends; then upload "
            "the manifest again.",
        )


def _open_workbench(ledger: Ledger, manifest_key: str | None) -> RunRecord | None:
    """The workbench whose place is taken, or will be. That two never are is seen to when one is admitted."""
    known = {record.run_id: record for record in ledger.active() if not record.closed}
    held = (record for run_id in ledger.admissions().slots if (record := ledger.get(run_id)))
    for record in (*known.values(), *held):
        is_replaced = record.manifest_key == manifest_key and record.state is RunState.QUEUED
        if is_workbench(record.run_id) and not is_replaced:
            return record
    return None


def _results_faults(
    asked: Workbench, opens: RunRecord | None, settings: StackSettings, buckets: Buckets
) -> Iterator[Fault]:
    path = "$.workbench.run"
    if asked.run is not None:
        if opens is None or is_workbench(asked.run):
            meant = nearest(asked.run, _published(buckets, settings, asked.dataset))
            yield Fault(path, f"is {asked.run}, and there is no such run", "`fruits runs` lists them.", meant)
        elif opens.state is not RunState.COMPLETED:
            remedy = "Wait until it is COMPLETED, or name another one."
            yield Fault(path, f"is {asked.run}, which is {opens.state}", remedy)
        elif asked.dataset not in (None, opens.dataset):
            problem = f"is {asked.run}, a run of {opens.dataset} and not of {asked.dataset}"
            yield Fault(path, problem, "Leave workbench.dataset out, or correct one of them.", opens.dataset)
    elif asked.dataset is not None and not _published(buckets, settings, asked.dataset):
        datasets = [folder.split("/")[-2] for folder in buckets.folders(settings.data_bucket, FEATURES)]
        yield Fault(
            "$.workbench.dataset",
            f"is {asked.dataset}, of which no run has published anything",
            "Correct it, or leave it out.",
            nearest(asked.dataset, datasets),
        )


def _published(buckets: Buckets, settings: StackSettings, dataset: str | None) -> list[str]:
    """The runs of the dataset below ``Results/``."""
    if not dataset:
        return []
    folders = buckets.folders(settings.data_bucket, f"{FEATURES}{dataset}/")
    return [folder.split("/")[-2] for folder in folders]


def _machine_faults(cluster: ClusterSpec, settings: StackSettings, clusters: Clusters) -> Iterator[Fault]:
    offered = clusters.instance_types(settings.release_label)
    # Every stack has packages for these, and workbenches are made for no others.
    found = offer_fault(cluster, offered and offered & {*prices.X86_TYPES}, settings)
    if found is not None:
        yield dataclasses.replace(found, path="$.workbench.instance_type")


def _budget_faults(asked: Workbench, expected: Estimate, settings: StackSettings) -> Iterator[Fault]:
    if settings.caps.ever_admit(expected.worst_case_eur):
        return
    yield Fault(
        "$.workbench.hours",
        f"lets the workbench cost up to {expected.worst_case_eur:.2f} EUR ({asked.hours} hours), and this "
        f"stack may spend {settings.caps.max_eur_per_day:.2f} EUR a day, so its turn would never come",
        "Lower it, workbench.workers or the instance size, or raise fruits:maxEurPerDay of the stack.",
    )
