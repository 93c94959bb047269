"""The part of pytest: a test during which a request broke one of AWS' rules fails, and says which.

What a process in the background sends late counts against the test that runs then, or the last.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws_models.watch import Watch


@pytest.fixture(scope="session", autouse=True)
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    watch = Watch(tmp_path_factory.mktemp("requests"))
    watch.start()
    yield watch
    _fail_on(watch.news())


@pytest.fixture(autouse=True)
def every_request_is_as_aws_asks(watched: Watch) -> Iterator[None]:
    yield
    _fail_on(watched.news())


def _fail_on(broken: list[str]) -> None:
    if broken:
        pytest.fail("\n".join(["AWS would refuse:", *broken]), pytrace=False)
