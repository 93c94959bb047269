"""The environment of Lambdas and commands: written by the infrastructure, read here, defined once.

Values are strings in the environment. ``from_env`` validates everything at once and names each
variable that is wrong, so that a broken deployment says so in one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import ClassVar, Protocol, Self

from lambdas.contract.cost.measured import ARM_SPEED
from lambdas.contract.cost.prices import Architecture


@dataclass(frozen=True)
class Caps:
    """What all runs of a stack together may take."""

    max_clusters: int
    max_eur_per_day: float
    launches_per_second: float

    def as_settings(self) -> dict[str, str]:
        """As :class:`StackSettings` has them, under the same names."""
        return {name: str(value) for name, value in asdict(self).items()}

    def ever_admit(self, eur: float) -> bool:
        """Whether a day that nothing else was spent on has room for a run that may cost so much."""
        return eur <= self.max_eur_per_day


class SettingsError(ValueError):
    """Variables that the stack writes are missing or useless. :attr:`missing`: their names."""

    def __init__(self, missing: Sequence[str], problem: str = "missing in the environment") -> None:
        self.missing = (missing,) if isinstance(missing, str) else tuple(missing)
        self.problem = problem
        # An exception that is copied or pickled is made of this again, and gets its attributes after that.
        super().__init__(self.missing)

    def __str__(self) -> str:
        return f"{self.problem}: {', '.join(self.missing)}; deploy the stack again"


class StackSettings(Protocol):
    """What decides whether a stack can run a manifest."""

    @property
    def data_bucket(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def release_label(self) -> str: ...
    @property
    def caps(self) -> Caps: ...
    @property
    def architectures(self) -> tuple[Architecture, ...]: ...
    @property
    def arm_speed(self) -> float: ...
    @property
    def workbench_address(self) -> str: ...


def env_name(field: str) -> str:
    """``ledger_table`` -> ``FRUITS_LEDGER_TABLE``."""
    return f"FRUITS_{field.upper()}"


class _InEnvironment:
    """A dataclass of texts, each of which is a variable of the environment."""

    _optional: ClassVar[frozenset[str]] = frozenset()
    """Names of fields that may be missing or empty."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables of all fields; raises SettingsError with the names of all that are missing."""
        values = {field.name: environ.get(env_name(field.name), "") for field in fields(cls)}  # type: ignore[arg-type]  # dataclasses only
        if missing := [
            env_name(name) for name, value in values.items() if not value and name not in cls._optional
        ]:
            raise SettingsError(missing)
        return cls(**values)

    def to_env(self) -> dict[str, str]:
        """The variables that :meth:`from_env` reads."""
        return {env_name(field.name): getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]  # as above


class _OfTheStack(_InEnvironment):
    """What the launcher and the commands read alike of the stack."""

    max_clusters: str
    max_eur_per_day: str
    launches_per_second: str
    node_architectures: str
    graviton_speed: str

    @property
    def caps(self) -> Caps:
        """The stack's caps.

        Raises:
            SettingsError: one of them is not a number.
        """
        try:
            return Caps(int(self.max_clusters), float(self.max_eur_per_day), float(self.launches_per_second))
        except ValueError as error:
            names = [env_name(field.name) for field in fields(Caps)]
            raise SettingsError(names, f"one of these is not a number ({error})") from error

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """Of the machines that clusters may have."""
        known: tuple[Architecture, ...] = ("x86_64", "arm64")
        given = (self.node_architectures or "x86_64").split(",")
        return tuple(architecture for architecture in known if architecture in given)

    @property
    def arm_speed(self) -> float:
        """Of Graviton machines, as long as nothing was measured; raises SettingsError for no number."""
        try:
            return float(self.graviton_speed or ARM_SPEED)
        except ValueError as error:
            raise SettingsError([env_name("graviton_speed")], f"not a number ({error})") from error


@dataclass(frozen=True)
class LauncherSettings(_OfTheStack):
    """What the launcher needs. Keys are relative to ``data_bucket``; empty means *not used*."""

    _optional = frozenset(
        {
            *("bootstrap_key", "wheelhouse_prefix", "reference_wheelhouse_prefix"),
            *("arm_wheelhouse_prefix", "arm_reference_wheelhouse_prefix"),
            *("node_architectures", "graviton_speed"),
            *("workbench_address", "workbench_setup_prefix"),
        }
    )

    project: str
    stack: str
    """Pulumi's names for both: tags of the clusters, by which their cost is told."""
    region: str
    """Where the stack is, and so its clusters; EMR tells its nodes by no environment variable."""
    data_bucket: str
    ledger_table: str
    release_label: str
    """EMR release, such as ``emr-7.12.0``: its Spark is the one in the lock file."""
    service_role_arn: str
    instance_profile_arn: str
    subnet_ids: str
    """Comma-separated; private ones."""
    node_security_group: str
    service_security_group: str
    """EMR's way to nodes in private subnets."""
    security_configuration: str
    """Name of the EMR security configuration: encryption and IMDSv2."""
    data_key_arn: str
    """The key of the data bucket, with which EMR encrypts the clusters' logs."""
    job_key: str
    """The zip with ``spark/`` and ``lambdas/contract/``, given to spark-submit as ``--py-files``."""
    step_key: str
    """The script that spark-submit runs; its first argument is the step's name."""
    bootstrap_key: str
    """The bootstrap action that installs the wheelhouses; empty where nodes come with everything."""
    wheelhouse_prefix: str
    reference_wheelhouse_prefix: str
    """What the reference engine's nodes install beside it; empty where the one wheelhouse holds it, too."""
    arm_wheelhouse_prefix: str
    arm_reference_wheelhouse_prefix: str
    """The same for Graviton machines; empty where the stack was packaged without."""
    node_architectures: str
    """Of the machines that clusters may have, comma-separated: those that nodes have packages for."""
    node_python: str
    """The interpreter of the Spark driver and workers on the nodes."""
    model_name: str
    model_key: str
    model_sha256: str
    weights: str
    weights_key: str
    weights_sha256: str
    max_clusters: str
    max_eur_per_day: str
    launches_per_second: str
    graviton_speed: str
    """See :data:`lambdas.contract.cost.measured.ARM_SPEED`, which it is where this is empty."""
    workbench_address: str
    """The host name of the stack's door to its workbench; empty where the stack has none."""
    workbench_setup_prefix: str
    """Where the files lie that make a cluster a workbench; empty where there is no door."""

    @property
    def prefix(self) -> str:
        """How the names of the stack's resources begin, and what its metrics call it."""
        return f"{self.project}-{self.stack}"

    def wheelhouses(self, architecture: Architecture) -> tuple[str, str]:
        """Those of machines of this architecture: every node's, and the reference engine's beside it."""
        if architecture == "arm64":
            return self.arm_wheelhouse_prefix, self.arm_reference_wheelhouse_prefix
        return self.wheelhouse_prefix, self.reference_wheelhouse_prefix


@dataclass(frozen=True)
class DoorSettings(_InEnvironment):
    """What the functions need to open and close the way to a workbench; all empty where there is no door."""

    _optional = frozenset({"workbench_target_group", "workbench_secrets", "workbench_key_arn"})

    workbench_target_group: str
    """ARN of what the door leads to."""
    workbench_secrets: str
    """How the names of the secrets begin that hold the workbenches' passwords, see :func:`secrets_of`."""
    workbench_key_arn: str
    """The key that encrypts them."""


@dataclass(frozen=True)
class TrackerSettings(_InEnvironment):
    """What the tracker needs."""

    prefix: str
    """``<project>-<stack>``: what the stack's metrics call it."""
    data_bucket: str
    ledger_table: str
    topic_arn: str


@dataclass(frozen=True)
class ReconcilerSettings(_InEnvironment):
    """What the reconciler needs beside the launcher's and the tracker's."""

    certificate_expiry: str
    """When the certificate of the clusters' nodes ends: ISO 8601, with its offset from UTC."""

    @property
    def certificate_expires_at(self) -> float:
        """The same as Unix seconds.

        Raises:
            SettingsError: it is no such time.
        """
        try:
            return datetime.fromisoformat(self.certificate_expiry).timestamp()
        except ValueError as error:
            raise SettingsError([env_name("certificate_expiry")], f"not a time ({error})") from error


_OF_THE_LAUNCHER = ("release_label", *(field.name for field in fields(Caps)))


@dataclass(frozen=True)
class CommandSettings(_OfTheStack):
    """What the commands for people need; the stack's output ``shell`` holds these variables."""

    _optional = frozenset({*_OF_THE_LAUNCHER, "node_architectures", "graviton_speed", "workbench_address"})

    data_bucket: str
    ledger_table: str
    region: str
    failure_queue_url: str
    prefix: str
    """``<project>-<stack>``: how the names of the stack's resources begin."""
    release_label: str
    max_clusters: str
    max_eur_per_day: str
    launches_per_second: str
    """These four as the launcher has them, so that `fruits plan` says what it would. Empty where the stack
    was deployed before they were told; all else works without them."""
    node_architectures: str = ""
    graviton_speed: str = ""
    """These two, too. Empty where the stack was deployed before it could have Graviton machines."""
    workbench_address: str = ""
    """The host name of the door to workbenches; empty where there is none."""

    @property
    def caps(self) -> Caps:
        """The stack's caps; raises SettingsError where they are not known, or no numbers."""
        if unknown := [env_name(name) for name in _OF_THE_LAUNCHER if not getattr(self, name)]:
            raise SettingsError(unknown)
        return super().caps


def secrets_of(prefix: str) -> str:
    """How the names of a stack's secrets begin, one a workbench, which end in its run's id."""
    return f"{prefix}/workbench/"
