"""What protects a deployed stack: is it in force?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.doctor.examination import RESTORE, there
from infra.doctor.finding import Finding, fault, ok
from infra.doctor.stack import StackReader
from lambdas.aws.errors import error_code

RECOVER_KEY = "`aws kms cancel-key-deletion --key-id {arn}`, then `aws kms enable-key --key-id {arn}`"


@dataclass(frozen=True)
class Bucket:
    """``open``: the blocks on public access that are off; ``encryption``: S3's name of the default one."""

    name: str
    open: tuple[str, ...]
    versioned: bool
    encryption: str


_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def read_bucket(reader: StackReader, name: str) -> Bucket:
    s3 = reader.client("s3")
    versioning = there(f"bucket {name}", lambda: s3.get_bucket_versioning(Bucket=name), ["NoSuchBucket"])
    try:
        block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if error_code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        block = {}
    try:
        (rule,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        encryption = rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    except ClientError as error:
        if error_code(error) != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        encryption = "none"
    off = tuple(kind for kind in _BLOCKS if not block.get(kind, False))
    return Bucket(name, off, versioning.get("Status") == "Enabled", encryption)


def bucket(found: Bucket, *, encryption: str) -> list[Finding]:
    """Closed to the public, versioned, and encrypted as declared."""
    faults = []
    if found.open:
        text = f"{found.name} can be opened to the public: {', '.join(found.open)} off"
        faults.append(fault(text, f"{RESTORE}; CloudTrail (PutBucketPublicAccessBlock) says who did it"))
    if not found.versioned:
        faults.append(fault(f"{found.name} is not versioned: manifests there name no run", RESTORE))
    if found.encryption != encryption:
        faults.append(
            fault(f"{found.name} is encrypted with {found.encryption}, and not {encryption}", RESTORE)
        )
    return faults or [ok(f"{found.name}: private, versioned, encrypted")]


def ledger(table: Mapping[str, Any]) -> list[Finding]:
    """The table, from DynamoDB's description (see :class:`StackReader`)."""
    name, faults = table["TableName"], []
    if table["TableStatus"] not in ("ACTIVE", "UPDATING"):
        faults.append(fault(f"{name} is {table['TableStatus']}", "wait a minute and look again"))
    if not table["PointInTimeRecovery"]:
        faults.append(fault(f"{name} cannot be restored: its point-in-time recovery is off", RESTORE))
    if table.get("SSEDescription", {}).get("Status") not in ("ENABLED", "UPDATING"):
        faults.append(fault(f"{name} is not encrypted with the stack's key", RESTORE))
    return faults or [ok(f"{name}: active, encrypted, can be restored")]


def read_keys(reader: StackReader) -> dict[str, tuple[str, str]]:
    """ARN and state of each key, by what it is for."""
    return {purpose: (arn, _key_state(reader, purpose, arn)) for purpose, arn in reader.keys().items()}


def _key_state(reader: StackReader, purpose: str, arn: str) -> str:
    described = there(
        f"the {purpose} key {arn}",
        lambda: reader.client("kms").describe_key(KeyId=arn),
        ["NotFoundException", "InvalidArnException"],
    )
    return str(described["KeyMetadata"]["KeyState"])


def keys(states: Mapping[str, tuple[str, str]]) -> list[Finding]:
    """What a key encrypted can be read only while the key is enabled."""
    return list(_keys(states)) or [ok(f"{', '.join(states)}: enabled")]


def _keys(states: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
    for purpose, (arn, state) in states.items():
        if state == "PendingDeletion":
            yield fault(
                f"the {purpose} key will be deleted, and with it all that it encrypts is lost",
                RECOVER_KEY.format(arn=arn),
            )
        elif state != "Enabled":
            yield fault(
                f"the {purpose} key is {state}: what it encrypts cannot be read",
                f"`aws kms enable-key --key-id {arn}`",
            )


def trail(found: Mapping[str, Any]) -> list[Finding]:
    """From CloudTrail's description and status (see :class:`StackReader`)."""
    name, faults = found["Name"], []
    if not found["IsLogging"]:
        text = f"trail {name} does not record: nobody will know what happens from now on"
        faults.append(fault(text, f"`aws cloudtrail start-logging --name {name}`"))
    if error := found.get("LatestDeliveryError"):
        text = f"trail {name} cannot deliver ({error})"
        faults.append(fault(text, f"{RESTORE}: policy of the audit bucket, or the audit key"))
    if not found.get("LogFileValidationEnabled"):
        faults.append(fault(f"trail {name} signs no digests: forged files would not show", RESTORE))
    return faults or [ok(f"{name} records")]


def cluster_security(found: Mapping[str, Any]) -> list[Finding]:
    """The EMR security configuration, by its content."""
    encryption = found["EncryptionConfiguration"]
    metadata = found.get("InstanceMetadataServiceConfiguration", {})
    faults = []
    if not (encryption["EnableAtRestEncryption"] and encryption["EnableInTransitEncryption"]):
        faults.append(fault("clusters are not encrypted at rest and in transit", RESTORE))
    if metadata.get("MinimumInstanceMetadataServiceVersion") != 2:
        faults.append(fault("nodes answer to version 1 of the instance metadata service", RESTORE))
    return faults or [ok("clusters are encrypted at rest and in transit, with IMDSv2")]
