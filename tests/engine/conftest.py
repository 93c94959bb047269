"""Pulumi's own engine over a local AWS: what it does to stacks, as its events tell."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation
from pulumi.automation import EngineEvent, OpType

from infra.local import tls
from infra.local.cloud import REGION
from infra.local.emr import EmrEndpoint
from infra.local.engine.home import make_home
from infra.local.engine.stack import program, select_stack
from infra.local.ministack import MiniStack, client
from infra.local.process import StartedAndStopped
from tests.engine.first_up import FirstUp, comes_up
from tests.engine.left_behind import resources_of
from tests.infra.conftest import build

__all__ = ["build"]

PREINSTALLED = {"aws:region": REGION, "fruits:nodePackages": "preinstalled"}
IN_ONE_GO = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""The engine writes its state when it has done all, and not after each resource, which takes a fifth of its
time and makes a difference only to one that is killed."""
_UNCHANGED = frozenset({OpType.SAME, OpType.READ, OpType.REFRESH})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The Automation API closes neither loop nor sockets of a program that failed: see ``collected``.
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(autouse=True, scope="module")
def collected() -> Iterator[None]:
    """What a failed program leaves open is closed here, and not in a test of others."""
    yield
    gc.collect()


@dataclass
class Told:
    """What one operation of the engine did."""

    text: str = ""
    steps: list[tuple[str, str, str]] = field(default_factory=list)
    """Operation, kind and logical name of all that changes: ``("update", "LogGroup", "fruits-eu-x")``."""
    warnings: list[str] = field(default_factory=list)
    refreshing: bool = False

    def note(self, event: EngineEvent) -> None:
        # What a refresh finds is known only afterwards.
        about = event.res_outputs_event if self.refreshing else event.resource_pre_event
        if about is not None:
            step = about.metadata
            if step.op not in _UNCHANGED:
                kind = step.urn.split("::")[2].rsplit(":", 1)[-1]
                self.steps.append((step.op.value, kind, step.urn.rsplit("::", 1)[-1]))
        if event.diagnostic_event is not None and event.diagnostic_event.severity == "warning":
            self.warnings.append(event.diagnostic_event.message)

    @property
    def operations(self) -> set[str]:
        return {operation for operation, _, _ in self.steps}

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """How many resources of a kind see an operation."""
        return Counter((operation, kind) for operation, kind, _ in self.steps)


def set_config(stack: automation.Stack, values: Mapping[str, str | None]) -> None:
    """Set what `pulumi config set` would, in the same file, but without starting the CLI; None removes."""
    file = Path(stack.workspace.work_dir) / f"Pulumi.{stack.name}.yaml"
    settings = yaml.safe_load(file.read_text()) if file.exists() else {}
    config = {**settings.get("config", {}), **values}
    settings["config"] = {key: value for key, value in config.items() if value is not None}
    file.write_text(yaml.safe_dump(settings))


@dataclass
class Deployment:
    """One stack, and what the engine is asked to do with it."""

    stack: automation.Stack
    aws: LocalAws
    outputs: Mapping[str, automation.OutputValue] = field(default_factory=dict)
    """Of the last `up`."""
    leftovers: Mapping[str, list[str]] = field(default_factory=dict)
    """What the engine made of the stack and does not know of, by kind."""

    def configure(self, **values: str | None) -> None:
        """Set settings of the project by name; None removes one."""
        set_config(self.stack, {f"fruits:{key}": value for key, value in values.items()})

    def preview(self, **options: Any) -> Told:
        return self._do(self.stack.preview, options)

    def up(self, **options: Any) -> Told:
        return self._do(self.stack.up, options)

    def refresh(self, **options: Any) -> Told:
        return self._do(self.stack.refresh, options, refreshing=True)

    def destroy(self, **options: Any) -> Told:
        return self._do(self.stack.destroy, options)

    def output(self, name: str) -> str:
        return str(self.outputs[name].value)

    @property
    def bucket(self) -> str:
        return self.output("data_bucket")

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def resources(self) -> dict[str, list[str]]:
        """What AWS has of the stack, by kind, without leftovers."""
        found = {
            kind: [name for name in names if name not in self.leftovers.get(kind, ())]
            for kind, names in resources_of(self.client, self.stack.name).items()
        }
        return {kind: names for kind, names in found.items() if names}

    def _do(
        self, operation: Callable[..., Any], options: Mapping[str, Any], *, refreshing: bool = False
    ) -> Told:
        told = Told(refreshing=refreshing)
        lines: list[str] = []
        watching = options.get("on_output", lambda _line: None)

        def heard(line: str) -> None:
            lines.append(line)
            watching(line)

        given = {key: value for key, value in options.items() if key != "on_output"}
        result = operation(on_event=told.note, on_output=heard, color="never", **given)
        if isinstance(result, automation.UpResult):
            self.outputs = result.outputs
        told.text = "\n".join(lines)
        return told


class LocalAws(StartedAndStopped):
    """MiniStack and the EMR endpoint without any stack, and a Pulumi home that is theirs alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = tls.issue(folder / "tls")
        self._ministack = MiniStack(tls=self._files, folder=folder, region=REGION)
        self._emr = EmrEndpoint(
            tls=self._files, environment=self._ministack.environment, folder=folder / "emr", slots=1
        )
        self._lambda_environment = {"AWS_ENDPOINT_URL_EMR": self._emr.url}
        self.environment = {
            **self._ministack.environment,
            **self._lambda_environment,
            **make_home(folder / "pulumi"),
        }

    def start(self) -> None:
        self._ministack.start(lambda_environment=self._lambda_environment)
        self._emr.start()

    def stop(self) -> None:
        self._emr.stop()
        self._ministack.stop()

    def client(self, service: str) -> Any:
        return client(service, self.environment)

    def deployment(
        self, name: str, run: Callable[[], None], config: Mapping[str, str] = PREINSTALLED
    ) -> Deployment:
        """A stack with this program, and this configuration if it is new."""
        environment = {**self.environment, **IN_ONE_GO}
        stack = select_stack(name, self._folder / "stacks" / name, environment, run)
        set_config(stack, config)
        return Deployment(stack, self)


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@dataclass
class Engine:
    """Previews of programs on new, empty stacks."""

    aws: LocalAws
    made: int = 0

    def preview(
        self, run: Callable[[], None], *, policy_packs: Sequence[Path], config: Mapping[str, str]
    ) -> str:
        """What the CLI printed; raises pulumi.automation.CommandError where the preview fails."""
        self.made += 1
        folder = self.aws._folder / "previews" / str(self.made)
        stack = select_stack("eu", folder, {**self.aws.environment, **make_home(folder / "pulumi")}, run)
        set_config(stack, {**PREINSTALLED, **config})
        return stack.preview(policy_packs=[str(pack) for pack in policy_packs], color="never").stdout


@pytest.fixture(scope="session")
def engine(local_aws: LocalAws) -> Engine:
    return Engine(local_aws)


@pytest.fixture(scope="session")
def first_up(local_aws: LocalAws, build: Path) -> FirstUp:
    """How ``live`` came up."""
    return comes_up(local_aws.deployment("live", program(build)), build)


@pytest.fixture(scope="session")
def live(first_up: FirstUp) -> Deployment:
    """A stack that is up, over stub artifacts, for tests that leave it as they found it.

    Nobody destroys it: it goes with its AWS.
    """
    return first_up.deployment
