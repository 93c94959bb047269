"""What happens in a deployed stack now, and what it has cost today."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.components import alarms as declared
from infra.doctor.examination import RESTORE
from infra.doctor.finding import Finding, fault, ok, warning
from infra.doctor.stack import FUNCTIONS, StackReader, is_called
from lambdas.aws.clusters import EmrClusters
from lambdas.contract.cost.prices import PRICES_AS_OF
from lambdas.contract.run import CLUSTER_PREFIX, LEDGER_TAG, RUN_TAG, RunRecord, is_terminal
from lambdas.contract.settings import Caps
from lambdas.runs.admission import Admissions
from lambdas.runs.cluster_port import ClusterState, ClusterSummary

LOOK_BACK_SECONDS = 2 * 24 * 3600
"""Longer than any run may take, with a day to spare; as the reconciler looks."""
NEARLY = 0.9
"""The part of a day's budget from which on people may want to know."""


def alarms(found: Iterable[Mapping[str, Any]], prefix: str) -> list[Finding]:
    """All there, switched on, and silent. ``found``: CloudWatch's descriptions."""
    known, findings = list(found), []
    wanted = declared.alarms(prefix, "", dict.fromkeys(FUNCTIONS, ""))
    for alarm in wanted:
        name = f"{prefix}-{alarm.name}"
        seen = next((one for one in known if is_called(one["AlarmName"], name)), None)
        if seen is None:
            findings.append(fault(f"alarm {name} is not there", RESTORE))
            continue
        if seen["StateValue"] == "ALARM":
            findings.append(
                fault(f"{name} rings: {alarm.happened}", f"docs/runbook.md#{alarm.section} says what to do")
            )
        if not (seen.get("ActionsEnabled", True) and seen.get("AlarmActions")):
            text = f"{name} tells nobody: its actions are switched off"
            remedy = f"`aws cloudwatch enable-alarm-actions --alarm-names {seen['AlarmName']}`"
            findings.append(warning(text, remedy))
    return findings or [ok(f"{len(wanted)} alarms, none rings")]


def dead_letters(attributes: Mapping[str, str]) -> list[Finding]:
    """From the failure queue's attributes."""
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    waiting = sum(int(attributes[name]) for name in counts)
    if waiting:
        return [
            fault(
                f"about {waiting} events wait in the failure queue",
                "docs/runbook.md#failed-events; mend the cause, then `fruits redrive`",
            )
        ]
    return [ok("the failure queue is empty")]


@dataclass(frozen=True)
class Subscriptions:
    """Endpoints by what their topic is for; ``pending``: those that have not confirmed."""

    confirmed: Mapping[str, Sequence[str]]
    pending: Mapping[str, Sequence[str]]


def read_subscriptions(reader: StackReader) -> Subscriptions:
    sns = reader.client("sns")
    confirmed: dict[str, list[str]] = {}
    pending: dict[str, list[str]] = {}
    for purpose, arn in reader.topics().items():
        confirmed[purpose], pending[purpose] = [], []
        for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn):
            for entry in page["Subscriptions"]:
                if (waits := is_pending(sns, entry["SubscriptionArn"])) is not None:
                    (pending if waits else confirmed)[purpose].append(entry["Endpoint"])
    return Subscriptions(confirmed, pending)


def is_pending(sns: Any, subscription: str) -> bool | None:
    """Whether SNS still waits for a confirmation; None for one that is gone.

    Where a list would have its ARN, SNS writes a word (``PendingConfirmation``, ``Deleted``) for one that is
    not yet, or not any more. The local SNS gives every one an ARN.
    """
    if not subscription.startswith("arn:"):
        return True if subscription == "PendingConfirmation" else None
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    return bool(attributes.get("PendingConfirmation") == "true")


def subscriptions(found: Subscriptions) -> list[Finding]:
    """Whether those who should hear of alarms and runs do. Nobody on the runs' topic is a choice."""
    findings = [
        warning(
            f"{endpoint} has not confirmed yet, and hears nothing of {purpose}",
            "open the message from AWS and confirm; it expired? `pulumi up --refresh` sends another",
        )
        for purpose, endpoints in found.pending.items()
        for endpoint in endpoints
    ]
    if not (found.confirmed["alarms"] or found.pending["alarms"]):
        text = "nobody hears of alarms"
        findings.append(
            warning(text, "`pulumi config set --path 'fruits:alarmEmails[0]' you@example.org`, `pulumi up`")
        )
    told = {purpose: len(endpoints) for purpose, endpoints in found.confirmed.items()}
    return findings or [ok(", ".join(f"{count} told of {purpose}" for purpose, count in told.items()))]


@dataclass(frozen=True)
class TaggedCluster:
    """A living cluster that carries this stack's ledger tag, and the run that it names."""

    cluster: ClusterSummary
    run_id: str


def read_clusters(reader: StackReader, now: float) -> list[TaggedCluster]:
    """The stack's clusters that live."""
    emr = reader.client("emr")
    clusters, found = EmrClusters(launching=emr, reading=emr), []
    for cluster in clusters.list(now - LOOK_BACK_SECONDS):
        if cluster.lives and cluster.name.startswith(CLUSTER_PREFIX):
            tags = clusters.describe(cluster.cluster_id).tags
            if tags.get(LEDGER_TAG) == reader.settings.ledger_table and RUN_TAG in tags:
                found.append(TaggedCluster(cluster, tags[RUN_TAG]))
    return found


def clusters(found: Iterable[TaggedCluster], record_of: Callable[[str], RunRecord | None]) -> list[Finding]:
    """Whether each cluster is of a run that wants it: as the reconciler, who ends others, sees it."""
    listed = list(found)
    return list(_orphans(listed, record_of)) or [ok(f"{len(listed)} there are, none without a run")]


def _orphans(
    found: Iterable[TaggedCluster], record_of: Callable[[str], RunRecord | None]
) -> Iterator[Finding]:
    for tagged in found:
        cluster, record = tagged.cluster, record_of(tagged.run_id)
        wanted = (
            record is not None
            and not is_terminal(record.state)
            and cluster.name == record.cluster_name
            and record.cluster_id in (None, cluster.cluster_id)
        )
        if not wanted and cluster.state is not ClusterState.TERMINATING:
            yield fault(
                f"cluster {cluster.cluster_id} ({cluster.name}) computes no run, and costs money",
                "look again in five minutes: the reconciler ends it; else docs/runbook.md#orphan-clusters",
            )


def cost_today(account: Admissions, caps: Caps, now: float) -> list[Finding]:
    """Spent by runs that ended, and set aside for those that have not; all by list prices, no bill."""
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    committed = account.committed_eur if account.day == today else 0.0
    held = [slot.eur for slot in account.slots.values() if slot.day == today]
    text = (
        f"estimate by list prices of {PRICES_AS_OF}: {max(0.0, committed - sum(held)):.2f} EUR used by runs "
        f"that ended today (UTC), at most {sum(held):.2f} EUR set aside for {len(held)} that run, of "
        f"{caps.max_eur_per_day:.2f} EUR a day; storage and standing parts come on top (docs/cost.md)"
    )
    findings = []
    if account.paused is not None:
        waits = f"launching is paused, and every new run waits ({account.paused.description})"
        findings.append(
            warning(waits, "`fruits resume` when its reason is gone; docs/runbook.md#pausing-launches")
        )
    if committed >= NEARLY * caps.max_eur_per_day:
        findings.append(
            warning(
                f"{committed:.2f} EUR of {caps.max_eur_per_day:.2f} EUR are committed: runs may wait until "
                "tomorrow (UTC)",
                "nothing, or raise fruits:maxEurPerDay and `pulumi up`",
            )
        )
    return [*findings, ok(text)]
