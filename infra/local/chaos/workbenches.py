"""Workbenches in the load test: who asks for one beside an open one, and how each comes to its end.

The older release knows none, so they are asked for when the upgrade is over. A person, whom a thread plays,
looks after each that is open: asks for another one of its name, which must be refused, and then lets its
hours go by, or cancels it. When the place is free, whoever was refused asks again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.local.chaos import traces
from infra.local.chaos.person import cancels
from infra.local.chaos.workload import Upload, event
from infra.local.cloud import LocalCloud
from lambdas.contract.cost.prices import MINUTES_AN_HOUR
from lambdas.contract.layout import rejection_key
from lambdas.contract.manifest.faults import ManifestError
from lambdas.contract.manifest.schema import Manifest, parse_either
from lambdas.contract.manifest.workbench import WorkbenchManifest
from lambdas.contract.run import WORKBENCH_PREFIX, RunState, is_workbench, run_id
from lambdas.contract.settings import secrets_of
from lambdas.runs.clocks import SECONDS_A_MINUTE
from lambdas.runs.dispatch import Outcome
from lambdas.runs.endings import DOOR_TAKEN
from lambdas.runs.workbench import HOURS_OVER

LOOK_SECONDS = 0.5
STUCK_SECONDS = 15.0
"""So long after its launch the hours of one that does not open go by, too: its step may hang."""
SECONDS_OVER = 60.0
_Event = dict[str, Any]


@dataclass
class Workbenches:
    """``uploads``: of which the last one is asked for beside each that is open."""

    cloud: LocalCloud
    uploads: Sequence[Upload]
    asked: dict[str, WorkbenchManifest] = field(default_factory=dict)
    """The manifests that are good, by the id of the workbench that they ask for."""
    rejected: set[str] = field(default_factory=set)
    """Keys of those that are not."""
    refused: Counter[str] = field(default_factory=Counter)
    """How often each was refused, by its id: another one was open."""
    opened: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    during: list[_Event] = field(default_factory=list)
    after: list[_Event] = field(default_factory=list)
    """The deliveries, as of the other uploads."""
    _identities: dict[tuple[str, str], str] = field(default_factory=dict)
    """Ids by the key and the version of their manifests."""

    def __post_init__(self) -> None:
        self._s3, self._seen = self.cloud.client("s3"), set[str]()
        self._others: dict[str, _Event] = {}
        """The last of each key, of all but the first and the last upload."""
        self._sequencers = (f"{number:016X}" for number in itertools.count(1))
        for upload in self.uploads[:-1]:
            created = self._put(upload)
            if self.during:
                # A version that was replaced is not opened any more.
                self._others[upload.key] = created
            self.during += [created] * upload.copies
            self.after += [created] * upload.replays
            if upload.deleted:
                marker = self._s3.delete_object(Bucket=self.cloud.bucket, Key=upload.key)["VersionId"]
                gone, sequencer = "ObjectRemoved:DeleteMarkerCreated", next(self._sequencers)
                self.during.append(event(gone, self.cloud.bucket, upload.key, marker, sequencer))
        self._beside = self._put(self.uploads[-1])

    @property
    def are_too_few(self) -> bool:
        """Whether more should have been opened: one, and with more than two uploads a second one, which is
        cancelled. The failures that were drawn may have let none open."""
        return len(self.opened) < min(2, len(self.uploads) - 1)

    def once_more(self) -> list[_Event]:
        """The first one is uploaded again."""
        return [self._put(self.uploads[0])]

    def heard(self, asked: _Event, outcomes: Sequence[str]) -> None:
        """What the launcher answered to an event."""
        known = asked["Records"][0]["s3"]
        identity = self._identities.get((known["object"]["key"], known["object"]["versionId"]))
        if identity is not None and Outcome.REJECTED in outcomes:
            self.refused[identity] += 1

    @contextlib.contextmanager
    def looked_after(self, deliver: Callable[[_Event], None]) -> Iterator[None]:
        """Meanwhile somebody looks after those that are open. ``deliver``: gives the launcher an event."""
        over, problems = threading.Event(), list[BaseException]()

        def keep_looking() -> None:
            try:
                while not over.wait(LOOK_SECONDS):
                    unclosed = [*traces.unclosed(self.cloud)]
                    workbenches = [run for run in unclosed if is_workbench(run.run_id)]
                    # Not when all else is over: nobody should wait for those who ask again.
                    if unclosed and not workbenches and self.opened and self._others:
                        deliver(self._others.popitem()[1])
                    for found in workbenches:
                        self._look_after(found, deliver)
            except Exception as error:
                problems.append(error)

        person = threading.Thread(target=keep_looking, name="chaos-person")
        person.start()
        try:
            yield
        finally:
            over.set()
            person.join()
        if problems:
            raise problems[0]

    def _look_after(self, found: traces.Unclosed, deliver: Callable[[_Event], None]) -> None:
        is_open = found.state is RunState.RUNNING
        if found.cluster_id is None or found.cluster_id in self._seen:
            return
        if not is_open and found.since > time.time() - STUCK_SECONDS:
            return
        self._seen.add(found.cluster_id)
        if is_open:
            self.opened.add(found.run_id)
            deliver(self._beside)
            if not len(self.opened) % 2 and cancels(self.cloud, found.run_id):
                self.cancelled.add(found.run_id)
                return
        hours = self.asked[found.run_id].workbench.hours
        self.cloud.show_age(found.cluster_id, hours * MINUTES_AN_HOUR * SECONDS_A_MINUTE + SECONDS_OVER)

    def runs(self, known: Mapping[str, Any]) -> dict[str, Manifest]:
        """Those that became runs, as manifests of runs that may cost and last as much."""
        return {identity: as_run(asked) for identity, asked in self.asked.items() if identity in known}

    def behind_door(self) -> int:
        """How many machines the door leads to."""
        balancer = self.cloud.client("elbv2")
        return sum(
            len(
                balancer.describe_target_health(TargetGroupArn=group["TargetGroupArn"])[
                    "TargetHealthDescriptions"
                ]
            )
            for group in balancer.describe_target_groups()["TargetGroups"]
        )

    def passwords(self) -> int:
        """How many passwords there are."""
        pages = self.cloud.client("secretsmanager").get_paginator("list_secrets").paginate()
        names = [secret["Name"] for page in pages for secret in page["SecretList"]]
        return sum(name.startswith(secrets_of(self.cloud.shell["FRUITS_PREFIX"])) for name in names)

    def effects(self) -> dict[str, int]:
        """How often what was to happen to them did."""
        reasons = traces.reasons(self.cloud, WORKBENCH_PREFIX)
        again = sum(
            len(events) - len({json.dumps(one) for one in events}) for events in (self.during, self.after)
        )
        return {
            "workbench opened": len(self.opened),
            "workbench asked for again": again,
            "workbench refused because another was open": self.refused.total() + reasons[DOOR_TAKEN.reason],
            "workbench whose hours were over": reasons[HOURS_OVER],
            **({"workbench cancelled by a person": len(self.cancelled)} if len(self.opened) > 1 else {}),
        }

    def _put(self, upload: Upload) -> _Event:
        body, bucket = json.dumps(upload.manifest).encode(), self.cloud.bucket
        version = self._s3.put_object(Bucket=bucket, Key=upload.key, Body=body)["VersionId"]
        try:
            asked = parse_either(body)
        except ManifestError:
            self.rejected.add(rejection_key(upload.key))
        else:
            assert isinstance(asked, WorkbenchManifest)  # noqa: S101  # as they are drawn
            identity = run_id(f"{WORKBENCH_PREFIX}{asked.workbench.name}", bucket, upload.key, version)
            self.asked[identity] = asked
            self._identities[upload.key, version] = identity
        return event("ObjectCreated:Put", bucket, upload.key, version, next(self._sequencers))


def as_run(asked: WorkbenchManifest) -> Manifest:
    """The manifest of a run that may cost and last as much as the workbench."""
    bench = asked.workbench
    return Manifest.model_validate(
        {
            "version": 1,
            "dataset": bench.name,
            "images": {"prefixes": ["s3://bucket/a/"]},
            "cluster": {
                "workers": bench.workers,
                "instance_types": [bench.instance_type],
                "market": "on_demand",
            },
            "limits": {
                "max_runtime_minutes": bench.hours * MINUTES_AN_HOUR,
                "max_cost_eur": bench.max_cost_eur,
            },
            "notify": asked.notify,
        }
    )
