"""Fixtures: a world of fakes, and one MiniStack for the tests of the real adapters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.local.ministack import MiniStack
from infra.local.tls import issue

from .world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    folder = tmp_path_factory.mktemp("ministack")
    with MiniStack(tls=issue(folder / "tls"), folder=folder, region="eu-west-1") as running:
        yield running
