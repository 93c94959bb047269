"""Fixtures: a world of fakes, and one MiniStack for the tests of the real adapters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.local.emr import EmrEndpoint
from infra.local.emr.faults import Faults
from infra.local.ministack import MiniStack
from infra.local.tls import TlsFiles, issue

from .world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def ministack(tls: TlsFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with MiniStack(tls=tls, folder=tmp_path_factory.mktemp("ministack"), region="eu-west-1") as running:
        yield running


@pytest.fixture(scope="session")
def emr(
    tls: TlsFiles, ministack: MiniStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmrEndpoint]:
    """Clusters that start for ever. (MiniStack's own EMR does not know which machines a cluster had.)"""
    folder, slow = tmp_path_factory.mktemp("emr"), Faults(starting_seconds=3600)
    with EmrEndpoint(tls=tls, environment=ministack.environment, folder=folder, faults=slow) as running:
        yield running
