"""The part of pytest that runs everything in minutes: what runs together, what goes first, and the sum.

A tier is a folder of tests. In parallel (``pytest -n 2``) a tier stays in one worker, where its cloud, its
JVM or its engine starts once, but for files that share none of that and take long. The longest go first, or
the last worker would be alone with one of them.
"""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

DEAR = frozenset({"cloud", "happened", "instant", "local_aws", "ministack", "model_folder", "spark"})
"""Fixtures that start a cloud, a JVM, TensorFlow or Pulumi's engine. Tests that have one are marked slow."""
FOR_SHORT_LIVES = (100_000, 50, 100)
"""The garbage collector's thresholds; by default they are 700, 10 and 10. Source: Python's ``gc`` module.
At 10,000 such tests take an eighth more of the time, with no collector at all not less (AMD EPYC)."""
LONGEST_FIRST = (
    "engine",
    "spark",
    "end_to_end",
    "tests/infra/test_node_packages.py",
    "tests/engine/test_the_deploy_document.py",
    "tests/end_to_end/test_chaos.py",
    "infra",
    "lambdas",
    "local_emr",
    "tests/infra/test_doctor_in_the_local_aws.py",
    "tests/infra/test_local_provider.py",
    "tests/infra/test_package.py",
    "tests/infra/test_node_bootstrap.py",
)
"""Tiers, and files that need not be with their tier, by the time that they take. The rest is short."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """``-n auto``: half as many workers again as there are cores. Slow tests wait a third of their time."""
    cores = os.cpu_count() or 1
    return cores if config.option.markexpr == "not slow" else cores + (cores + 1) // 2


def file_of(node_id: str) -> str:
    """The file that a test is in, from the top of the repository."""
    return node_id.partition("::")[0]


def tier_of(node_id: str) -> str:
    """The folder of tests that a test is in."""
    parts = PurePath(file_of(node_id)).parts
    return parts[1] if len(parts) > 2 else ""


def sentence_of(node_id: str) -> str:
    """What a test says, in words."""
    name = node_id.rpartition("::")[2].removeprefix("test_")
    sentence, bracket, case = name.partition("[")
    return sentence.replace("_", " ") + (f" [{case}" if bracket else "")


def group_of(node_id: str) -> str:
    """What stays together in one worker."""
    file = file_of(node_id)
    return file if file in LONGEST_FIRST else tier_of(node_id)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if DEAR.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    if hasattr(config, "workerinput"):
        places = {group: place for place, group in enumerate(LONGEST_FIRST)}
        items.sort(key=lambda item: places.get(group_of(item.nodeid), len(places)))


class ByGroup(LoadScopeScheduling):
    """Gives workers whole groups, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup:
    # The marks of pytest-xdist for groups have no effect with pytest 9.2: its issue 1386.
    config.option.loadscopereorder = False
    return ByGroup(config, log)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(*FOR_SHORT_LIVES)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    # For what nobody closed pytest looks through all five times now, which finds no more than once.
    gc.collect()
    gc.freeze()


class Sums:
    """Counts the tests of each tier and the time that they take, and says so at the very end."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._tests: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tier = tier_of(report.nodeid)
        self._tests[tier] += report.when == "setup"
        self._seconds[tier] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        untrue = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
        if untrue:
            terminalreporter.section("not true, or not known", red=True)
            for report in untrue:
                terminalreporter.line(f"{file_of(report.nodeid)}: {sentence_of(report.nodeid)}")

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None or not self._tests:
            return
        tiers = [f"{tier} {count} in {_minutes(self._seconds[tier])}" for tier, count in self._tests.items()]
        passed = _minutes(time.monotonic() - self._started)
        terminal.line(f"{sum(self._tests.values())} tests in {passed} minutes: {', '.join(tiers)}")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def pytest_configure(config: pytest.Config) -> None:
    # What is imported is never garbage, and what tests make is little and soon gone: looking through it all
    # again and again took a third of the time of tests that preview the program.
    gc.disable()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Sums(), "sums")
