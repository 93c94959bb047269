"""The encryption keys, one per purpose, so that each can be watched, closed and retired by itself.

A key's policy says through which services the account may use it; which role may is decided by that
role's own policy. Nobody, administrators included, may use a key directly unless listed here.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.kept import Kept
from infra.naming import Naming

READ = ("kms:Decrypt",)
READ_AND_WRITE = ("kms:Decrypt", "kms:GenerateDataKey")
ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
"""What keeps a key in hand without using it."""
CRYPTOGRAPHY = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""All that has an encryption context, and so what CloudWatch Logs can be allowed by one. Source: CloudWatch
Logs User Guide, "Encrypt log data"; its `kms:Describe*` never meets the condition that stands beside it."""
FOR_ENVIRONMENTS = ("kms:CreateGrant", "kms:Decrypt", "kms:Encrypt")
"""What Lambda asks for in the name of whoever deploys a function or looks at it; the function itself uses the
grant that is made then. Source: Lambda Developer Guide, "Securing environment variables"."""
BY_GRANTS = ("kms:CreateGrant", "kms:DescribeKey", *CRYPTOGRAPHY)
"""What EBS and DynamoDB ask for, which go on using a key when nobody asks. Sources: EMR Management Guide,
"Creating keys and certificates"; DynamoDB Developer Guide, "Encryption at rest: How it works"."""
DELETION_WINDOW_DAYS = 30
_THIS_KEY = ["*"]
"""In a key's own policy: the key."""


class Keys(pulumi.ComponentResource):
    """``data``: bucket objects. ``nodes``: disks. ``control``: ledger, messages, logs, settings of functions.
    ``audit``: the trail. ``passwords``: whether ``control`` encrypts those of workbenches, too.

    Rotated by AWS every year. They outlive a `pulumi destroy` by the deletion window, or for ever where
    what they encrypt is kept: a bucket or ledger whose key is gone is lost.
    """

    def __init__(
        self,
        naming: Naming,
        *,
        keep_data: bool,
        adopted: Kept,
        passwords: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("fruits:infra:Keys", f"{naming.prefix}-keys", None, opts)
        self._naming = naming
        through_s3 = self._through("s3", READ_AND_WRITE)
        self.data = self._key(
            "data",
            "Images, artifacts, plans and results in the data bucket",
            [through_s3],
            keep=keep_data,
            adopted=adopted.data_key,
        )
        self.nodes = self._key(
            "nodes",
            "Disks of the cluster nodes",
            [
                self._through("ec2", BY_GRANTS),
                # Local disks are unlocked by the nodes themselves.
                self._allow("UseByNodes", READ_AND_WRITE),
            ],
        )
        self.control = self._key(
            "control",
            "Ledger, notifications, queues, logs and settings of the functions",
            [
                self._through("dynamodb", BY_GRANTS),
                self._through("lambda", FOR_ENVIRONMENTS),
                self._through("sns", READ_AND_WRITE),
                self._through("sqs", READ_AND_WRITE),
                self._logs(),
                self._allow_service("AlarmsToTopic", "cloudwatch.amazonaws.com", READ_AND_WRITE),
                self._allow_service("RulesToQueue", "events.amazonaws.com", READ_AND_WRITE),
                *([self._through("secretsmanager", READ_AND_WRITE)] if passwords else []),
            ],
            keep=keep_data,
            adopted=adopted.control_key,
        )
        self.audit = self._key(
            "audit",
            "Audit trail",
            [self._through("s3", READ), self._trail()],
            keep=keep_data,
            adopted=adopted.audit_key,
        )
        self.register_outputs({"data": self.data.arn})

    def _key(
        self,
        purpose: str,
        description: str,
        uses: Sequence[iam.Statement],
        *,
        keep: bool = False,
        adopted: str | None = None,
    ) -> aws.kms.Key:
        name = f"{self._naming.prefix}-{purpose}"
        key = aws.kms.Key(
            name,
            description=description,
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            policy=iam.policy([self._allow("Administer", ADMINISTRATION), *uses]),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=keep, import_=adopted),
        )
        # For people, and never kept: a key that outlives the stack gets another one from the next.
        aws.kms.Alias(
            name,
            name_prefix=f"alias/{name}-",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key

    def _allow(
        self, sid: str, actions: Sequence[str], condition: iam.Condition | None = None
    ) -> iam.Statement:
        principal = {"AWS": self._naming.account_arn}
        return iam.Statement(sid, actions, _THIS_KEY, condition or {}, principal=principal)

    def _through(self, service: str, actions: Sequence[str]) -> iam.Statement:
        return self._allow(f"UseThrough{service.capitalize()}", actions, iam.through(self._naming, service))

    def _allow_service(self, sid: str, service: str, actions: Sequence[str]) -> iam.Statement:
        ours = iam.for_this_account(self._naming)
        return iam.Statement(sid, actions, _THIS_KEY, ours, principal={"Service": service})

    def _logs(self) -> iam.Statement:
        log_groups = self._naming.arn("logs", "log-group:*")
        return iam.Statement(
            "EncryptLogs",
            CRYPTOGRAPHY,
            _THIS_KEY,
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
            principal={"Service": self._naming.service_host("logs")},
        )

    def _trail(self) -> iam.Statement:
        trail = self._naming.arn("cloudtrail", f"trail/{self._naming.prefix}-*")
        return iam.Statement(
            "EncryptTrail",
            ("kms:DescribeKey", "kms:GenerateDataKey"),
            _THIS_KEY,
            {"ArnLike": {"aws:SourceArn": trail}},
            principal={"Service": "cloudtrail.amazonaws.com"},
        )
