"""Two local clouds for the tests of this folder that let nothing go wrong: the real zips, the real program.

In one, real steps run: a few runs happen in it, as in `make dashboard`, and tests look at what they left. In
the other, steps complete at once, for tests of what is around them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local.cloud import LocalCloud
from infra.local.dashboard.__main__ import ONE_AT_A_TIME, let_runs_happen
from infra.local.dashboard.rendering import render
from infra.local.emr import InjectedFailures
from infra.local.watch import Snapshot, follow, look
from lambdas.cli.submission import Submitted, manifest_for, upload_manifest
from tests.artifacts import built

from .paths import NOT_OFFERED

RUN_TIMEOUT_SECONDS = 600.0
INSTANT = InjectedFailures(
    instant_steps=True,
    starting_seconds=0,
    bootstrapping_seconds=0,
    types_not_offered=frozenset({NOT_OFFERED}),
)
NO_CAPS = {"fruits:maxClusters": "500", "fruits:maxEurPerDay": "100000", "fruits:launchesPerSecond": "10"}
"""Nothing waits for its turn: no run ends those of others."""

DOOR = {"fruits:workbenchCidrs": '["192.0.2.0/24"]'}


@pytest.fixture(scope="session")
def build() -> Path:
    return built()


class User:
    """What a person does: upload a manifest, wait, look."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.bucket = cloud.bucket
        self.s3 = cloud.client("s3")
        self.emr = cloud.client("emr")

    @property
    def shell(self) -> dict[str, str]:
        """The variables of a shell that knows the stack."""
        return {**self.cloud.environment, **self.cloud.shell}

    def uploads_manifest(self, name: str, dataset: str, **fields: Any) -> Submitted:
        return upload_manifest(self.s3, self.bucket, name, manifest_for(self.bucket, dataset, **fields))

    def waits_for(self, run: Submitted) -> Snapshot:
        *_, last = follow(self.s3, self.emr, self.bucket, run, RUN_TIMEOUT_SECONDS)
        return last

    def looks_at(self, run: Submitted) -> Snapshot:
        return look(self.s3, self.emr, self.bucket, run)

    def clusters(self) -> list[dict[str, Any]]:
        return [c for page in self.emr.get_paginator("list_clusters").paginate() for c in page["Clusters"]]


@dataclass(frozen=True)
class Happened:
    """A cloud in which three runs have ended: one of good images, one with two broken ones among them, one of
    nothing but a broken one. A mistyped manifest was refused."""

    user: User
    fruits: Submitted
    flawed: Submitted
    broken: Submitted
    page: Path
    """The dashboard, as it was when they had just ended."""


@pytest.fixture(scope="session")
def happened(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Happened]:
    folder = tmp_path_factory.mktemp("happened")
    # One slot: a second is a second Python to start in every step, and other tests run beside.
    with LocalCloud(folder / "cloud", build=build, config={**ONE_AT_A_TIME, **DOOR}, slots=1) as cloud:
        started = time.time()
        runs = let_runs_happen(cloud, folder / "images")
        page = render(cloud, folder, since=started, runs=len(runs))
        yield Happened(User(cloud), *runs, page)


@pytest.fixture
def user(happened: Happened) -> User:
    return happened.user


@pytest.fixture(scope="session")
def instant(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud whose clusters complete as soon as they are there."""
    with LocalCloud(
        tmp_path_factory.mktemp("instant"), build=build, injected=INSTANT, config=NO_CAPS
    ) as cloud:
        yield cloud
