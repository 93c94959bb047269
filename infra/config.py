"""The stack's configuration: read once, validated as a whole, typed from then on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pulumi

from infra.emulator import Emulator, emulator_faults, emulator_of
from infra.releases import locked_spark_version, release_faults
from lambdas.contract.admission import Limits
from lambdas.contract.regions import allowed_regions, region_problem

LOG_RETENTION_DAYS: frozenset[int] = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
"""What CloudWatch Logs accepts. Source: API reference of PutRetentionPolicy."""

DEFAULT_LIMITS = Limits(max_clusters=10, max_eur_per_day=100.0, launches_per_second=0.5)
"""The pace is what EMR lets an account ask for lastingly (RunJobFlow's token bucket)."""

LONGEST_STACK_NAME = 36
"""With it, the name of the access logs' bucket has the 63 characters that S3 allows, with Pulumi's suffix;
every other name has room left."""
_STACK_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
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
    """See ``Pulumi.yaml``, which describes each key and repeats the defaults for people."""

    region: str
    data_bucket_name: str | None = None
    image_buckets: tuple[str, ...] = ()
    release_label: str = "emr-7.12.0"
    node_packages: NodePackages = NodePackages.WHEELHOUSE
    log_retention_days: int = 30
    audit_retention_days: int = 365
    data_retention_days: int | None = None
    notification_email: str | None = None
    alarm_emails: tuple[str, ...] = ()
    keep_data_on_destroy: bool = False
    limits: Limits = DEFAULT_LIMITS
    emulator: Emulator | None = None


def load(lock_file: Path) -> StackConfig:
    """The configuration of the running Pulumi program.

    Raises:
        ConfigInvalid: see :func:`validate`.
    """
    project = pulumi.Config()
    values = {
        "aws:region": pulumi.Config("aws").get("region"),
        "dataBucketName": project.get("dataBucketName"),
        "imageBuckets": project.get_object("imageBuckets"),
        "releaseLabel": project.get("releaseLabel"),
        "nodePackages": project.get("nodePackages"),
        "logRetentionDays": project.get_int("logRetentionDays"),
        "auditRetentionDays": project.get_int("auditRetentionDays"),
        "dataRetentionDays": project.get_int("dataRetentionDays"),
        "notificationEmail": project.get("notificationEmail"),
        "alarmEmails": project.get_object("alarmEmails"),
        "keepDataOnDestroy": project.get_bool("keepDataOnDestroy"),
        "maxClusters": project.get_int("maxClusters"),
        "maxEurPerDay": project.get_float("maxEurPerDay"),
        "launchesPerSecond": project.get_float("launchesPerSecond"),
        "emulatorEndpoint": project.get("emulatorEndpoint"),
        "emulatorEmrEndpoint": project.get("emulatorEmrEndpoint"),
    }
    return validate(
        values, stack=pulumi.get_stack(), locked_spark=locked_spark_version(lock_file.read_text())
    )


def validate(values: Mapping[str, Any], *, stack: str, locked_spark: str) -> StackConfig:
    """Check configuration values, by their Pulumi keys; absent or None means the default.

    Raises:
        ConfigInvalid: with every fault at once.
    """
    given = {key: value for key, value in values.items() if value is not None}
    faults = [*_stack_faults(stack), *(fault for check in _CHECKS for fault in check(given))]
    release = given.get("releaseLabel", StackConfig.release_label)
    faults += release_faults(release, locked_spark)
    faults += emulator_faults(given | {"stack": stack})
    if faults:
        raise ConfigInvalid(faults)
    return StackConfig(
        region=given["aws:region"],
        data_bucket_name=given.get("dataBucketName"),
        image_buckets=tuple(given.get("imageBuckets", ())),
        release_label=release,
        node_packages=NodePackages(given.get("nodePackages", StackConfig.node_packages)),
        log_retention_days=given.get("logRetentionDays", StackConfig.log_retention_days),
        audit_retention_days=given.get("auditRetentionDays", StackConfig.audit_retention_days),
        data_retention_days=given.get("dataRetentionDays"),
        notification_email=given.get("notificationEmail"),
        alarm_emails=tuple(given.get("alarmEmails", ())),
        keep_data_on_destroy=given.get("keepDataOnDestroy", StackConfig.keep_data_on_destroy),
        limits=Limits(
            max_clusters=given.get("maxClusters", DEFAULT_LIMITS.max_clusters),
            max_eur_per_day=given.get("maxEurPerDay", DEFAULT_LIMITS.max_eur_per_day),
            launches_per_second=given.get("launchesPerSecond", DEFAULT_LIMITS.launches_per_second),
        ),
        emulator=emulator_of(given),
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
    names = [("dataBucketName", given["dataBucketName"])] if "dataBucketName" in given else []
    names += [("imageBuckets", name) for name in _texts(given, "imageBuckets")]
    return [
        f"{key}: {name!r} is not a bucket name; 3-63 lower-case letters, digits, dots and hyphens, "
        "without s3:// and without a path"
        for key, name in names
        if not _BUCKET_NAME.fullmatch(name)
    ] + _list_faults(given, "imageBuckets", "my-photos")


def _retention_faults(given: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: {given[key]} days cannot be kept; give 1 or more, or remove the key"
        for key in ("auditRetentionDays", "dataRetentionDays")
        if key in given and given[key] < 1
    ]


def _choice_faults(given: Mapping[str, Any]) -> list[str]:
    faults = []
    packages = given.get("nodePackages", StackConfig.node_packages)
    if packages not in list(NodePackages):
        faults.append(
            f"nodePackages: {packages!r} is neither {' nor '.join(map(repr, map(str, NodePackages)))}"
        )
    days = given.get("logRetentionDays", StackConfig.log_retention_days)
    if days not in LOG_RETENTION_DAYS:
        nearest = min(LOG_RETENTION_DAYS, key=lambda allowed: abs(allowed - days))
        faults.append(
            f"logRetentionDays: CloudWatch Logs does not offer {days} days; the nearest is {nearest}"
        )
    return faults


def _email_faults(given: Mapping[str, Any]) -> list[str]:
    emails = [("notificationEmail", given["notificationEmail"])] if "notificationEmail" in given else []
    emails += [("alarmEmails", email) for email in _texts(given, "alarmEmails")]
    return [
        f"{key}: {email!r} is not an e-mail address; correct it or remove the key"
        for key, email in emails
        if not _EMAIL.fullmatch(email)
    ] + _list_faults(given, "alarmEmails", "me@example.org")


def _limit_faults(given: Mapping[str, Any]) -> list[str]:
    faults = []
    if (clusters := given.get("maxClusters", DEFAULT_LIMITS.max_clusters)) < 0:
        faults.append(f"maxClusters: {clusters} is negative; 0 lets every run wait")
    for key, default in (
        ("maxEurPerDay", DEFAULT_LIMITS.max_eur_per_day),
        ("launchesPerSecond", DEFAULT_LIMITS.launches_per_second),
    ):
        if (value := given.get(key, default)) <= 0:
            faults.append(f"{key}: {value} is not above 0; the default is {default}")
    return faults


def _texts(given: Mapping[str, Any], key: str) -> list[str]:
    value = given.get(key, [])
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _list_faults(given: Mapping[str, Any], key: str, example: str) -> list[str]:
    value = given.get(key, [])
    if isinstance(value, list | tuple):
        return []
    return [f"{key}: {value!r} is not a list; `pulumi config set --path '{key}[0]' {example}` adds one"]


_CHECKS = (_region_faults, _bucket_faults, _retention_faults, _choice_faults, _email_faults, _limit_faults)
