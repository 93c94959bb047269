"""The stack's configuration: read once, validated as a whole, typed from then on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import config as runtime

from infra.emulator import Emulator, emulator_faults, emulator_of
from infra.policies.networks import network_problem, problems_together
from infra.releases import locked_spark_version, release_faults
from infra.settings import DEFAULTS, read_settings
from lambdas.contract.regions import allowed_regions, region_problem
from lambdas.contract.settings import Caps

LOG_RETENTION_DAYS: frozenset[int] = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
"""What CloudWatch Logs accepts. Source: API reference of PutRetentionPolicy."""

LONGEST_STACK_NAME = 36
"""With it, the name of the access logs' bucket has the 63 characters that S3 allows, with Pulumi's suffix;
every other name has room left."""
_STACK_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_RETENTION_DAYS = 36_500
"""Of a lock on objects. Source: S3 User Guide, "Object Lock considerations"."""
_BUCKET_NAME = re.compile(
    r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)(?!xn--|sthree-|amzn-s3-demo-)(?!.*(-s3alias|--ol-s3|--x-s3|--table-s3)$)"
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)
"""Source: S3 User Guide, "General purpose bucket naming rules"."""
REGION = "aws:region"
_PULUMIS = "pulumi:"
"""The namespace of Pulumi's own keys, which are Pulumi's to judge."""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class NodePackages(StrEnum):
    """How the Python packages of the Spark job come onto the cluster's nodes."""

    WHEELHOUSE = "wheelhouse"
    """A bootstrap action installs hash-locked wheels from the data bucket; no internet needed."""
    PREINSTALLED = "preinstalled"
    """The nodes have them already, as those of the local cloud, which are this machine."""


class ConfigInvalid(pulumi.RunError):
    """The configuration cannot be deployed. One line a fault: key, value, remedy."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(["the stack's configuration has faults:", *(f"  - {f}" for f in faults)]))


@dataclass(frozen=True)
class StackConfig:
    """Valid configuration; :data:`infra.settings.SETTINGS` describes each part and has the defaults.

    ``adopt`` is the name of a data bucket that an earlier stack kept.
    """

    region: str
    data_bucket_name: str | None
    adopt: str | None
    image_buckets: tuple[str, ...]
    release_label: str
    node_packages: NodePackages
    log_retention_days: int
    audit_retention_days: int
    data_retention_days: int | None
    notification_email: str | None
    alarm_emails: tuple[str, ...]
    keep_data_on_destroy: bool
    caps: Caps
    graviton_speed: float
    workbench_cidrs: tuple[str, ...]
    emulator: Emulator | None


def load(lock_file: Path) -> StackConfig:
    """The configuration of the running Pulumi program.

    Raises:
        ConfigInvalid: with every fault at once.
    """
    return read_config(
        {**runtime.get_config_env(), **runtime.CONFIG.get()},
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        locked_spark=locked_spark_version(lock_file.read_text()),
    )


def read_config(given: Mapping[str, str], *, project: str, stack: str, locked_spark: str) -> StackConfig:
    """The configuration in the texts that Pulumi holds by their full keys (``aws:region``).

    Raises:
        ConfigInvalid: with every fault at once.
    """
    ours = f"{project}:"
    values, faults = read_settings(
        {key.removeprefix(ours): text for key, text in given.items() if key.startswith(ours)}
    )
    faults += [_foreign(key, ours) for key in given if key != REGION and not key.startswith((ours, _PULUMIS))]
    if region := given.get(REGION):
        values[REGION] = region
    return validate(values, stack=stack, locked_spark=locked_spark, faults=faults)


def _foreign(key: str, ours: str) -> str:
    """Why a key in another namespace is a fault: it would be without effect, and nobody would say so."""
    if key.startswith("aws:"):
        return (
            f"{key}: has no effect; of aws: this stack takes the region alone, and all else (AWS_PROFILE and "
            f"other credentials) from the shell. `pulumi config rm {key}` removes it"
        )
    known = [REGION, *(f"{ours}{name}" for name in DEFAULTS)]
    near = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {near[0]}? " if near else f"settings begin with {ours} "
    return f"{key}: is no setting; {meant}`pulumi config rm {key}` removes it"


def validate(
    values: Mapping[str, Any], *, stack: str, locked_spark: str, faults: Sequence[str] = ()
) -> StackConfig:
    """Check configuration values, by their keys; what is absent has its default.

    ``faults`` are those that were found before.

    Raises:
        ConfigInvalid: with every fault at once.
    """
    given = {**DEFAULTS, **values}
    found = [*_stack_faults(stack), *faults, *(fault for check in _CHECKS for fault in check(given))]
    found += release_faults(given["releaseLabel"], locked_spark)
    found += emulator_faults(values, stack)
    if found:
        raise ConfigInvalid(found)
    return StackConfig(
        region=given["aws:region"],
        data_bucket_name=given["dataBucketName"],
        adopt=given["adopt"],
        image_buckets=tuple(given["imageBuckets"]),
        release_label=given["releaseLabel"],
        node_packages=NodePackages(given["nodePackages"]),
        log_retention_days=given["logRetentionDays"],
        audit_retention_days=given["auditRetentionDays"],
        data_retention_days=given["dataRetentionDays"],
        notification_email=given["notificationEmail"],
        alarm_emails=tuple(given["alarmEmails"]),
        keep_data_on_destroy=given["keepDataOnDestroy"],
        caps=Caps(given["maxClusters"], given["maxEurPerDay"], given["launchesPerSecond"]),
        graviton_speed=given["gravitonSpeed"],
        workbench_cidrs=tuple(given["workbenchCidrs"]),
        emulator=emulator_of(values),
    )


def _stack_faults(stack: str) -> list[str]:
    if _STACK_NAME.fullmatch(stack) and len(stack) <= LONGEST_STACK_NAME:
        return []
    return [
        f"stack: {stack!r} becomes part of names that AWS would refuse; use at most {LONGEST_STACK_NAME} "
        "lower-case letters, digits and single hyphens between them: `pulumi stack init <name>`"
    ]


def _region_faults(given: Mapping[str, Any]) -> list[str]:
    region = given.get("aws:region", "")
    if not region:
        return [
            f"aws:region is not set; `pulumi config set aws:region <region>` with one of: {allowed_regions()}"
        ]
    if problem := region_problem(region):
        return [f"aws:region: {problem}. Photos must stay in the EU; choose one of: {allowed_regions()}"]
    return []


def _bucket_faults(given: Mapping[str, Any]) -> list[str]:
    names = [(key, given[key]) for key in ("dataBucketName", "adopt") if given[key] is not None]
    names += [("imageBuckets", name) for name in given["imageBuckets"]]
    faults = [
        f"{key}: {name!r} is not a bucket name; 3-63 lower-case letters, digits, dots and hyphens, "
        "without s3:// and without a path"
        for key, name in names
        if not _BUCKET_NAME.fullmatch(name)
    ]
    if None not in (given["dataBucketName"], given["adopt"]) and given["dataBucketName"] != given["adopt"]:
        faults.append(
            f"dataBucketName: {given['dataBucketName']!r} is another bucket than {given['adopt']!r}, which "
            "adopt takes over; remove one of them"
        )
    if given["adopt"] is not None and not given["keepDataOnDestroy"]:
        faults.append(
            "adopt: takes over data that a stack kept, and the next `pulumi destroy` would delete it without "
            "keepDataOnDestroy; `pulumi config set fruits:keepDataOnDestroy true`, or remove adopt"
        )
    return faults


def _retention_faults(given: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: {given[key]} days cannot be kept; give 1 to {LONGEST_RETENTION_DAYS}, or remove the key"
        for key in ("auditRetentionDays", "dataRetentionDays")
        if given[key] is not None and not 1 <= given[key] <= LONGEST_RETENTION_DAYS
    ]


def _choice_faults(given: Mapping[str, Any]) -> list[str]:
    faults = []
    packages, days = given["nodePackages"], given["logRetentionDays"]
    if packages not in list(NodePackages):
        faults.append(
            f"nodePackages: {packages!r} is neither {' nor '.join(map(repr, map(str, NodePackages)))}"
        )
    if days not in LOG_RETENTION_DAYS:
        nearest = min(LOG_RETENTION_DAYS, key=lambda allowed: abs(allowed - days))
        faults.append(
            f"logRetentionDays: CloudWatch Logs does not offer {days} days; the nearest is {nearest}"
        )
    return faults


def _email_faults(given: Mapping[str, Any]) -> list[str]:
    emails = [("alarmEmails", email) for email in given["alarmEmails"]]
    if given["notificationEmail"] is not None:
        emails.append(("notificationEmail", given["notificationEmail"]))
    faults = [
        f"{key}: {email!r} is not an e-mail address; correct it or remove the key"
        for key, email in emails
        if not _EMAIL.fullmatch(email)
    ]
    twice = sorted({email for email in given["alarmEmails"] if given["alarmEmails"].count(email) > 1})
    return faults + [f"alarmEmails: {email!r} is there twice; remove one" for email in twice]


def _limit_faults(given: Mapping[str, Any]) -> list[str]:
    faults = []
    if (clusters := given["maxClusters"]) < 0:
        faults.append(f"maxClusters: {clusters} is negative; 0 lets every run wait")
    faults += [
        f"{key}: {given[key]} is not above 0; the default is {DEFAULTS[key]}"
        for key in ("maxEurPerDay", "launchesPerSecond", "gravitonSpeed")
        if given[key] <= 0
    ]
    return faults


def _network_faults(given: Mapping[str, Any]) -> list[str]:
    named = given["workbenchCidrs"]
    faults = [f"workbenchCidrs: {cidr!r} {problem}" for cidr in named if (problem := network_problem(cidr))]
    return faults + [f"workbenchCidrs: {problem}" for problem in problems_together(named)]


_CHECKS = (
    _region_faults,
    _bucket_faults,
    _retention_faults,
    _choice_faults,
    _email_faults,
    _limit_faults,
    _network_faults,
)
