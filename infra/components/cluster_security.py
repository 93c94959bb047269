"""How every cluster is locked: encryption at rest and in transit, IMDSv2, and no public port."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.json_documents import document
from infra.naming import Naming

IMDS_HOP_LIMIT = 1
"""The metadata service answers processes on the node, and no container behind one more hop."""


@dataclass(frozen=True)
class ClusterSecurityArgs:
    """``certificates`` is the S3 URI of the zip that `infra.components.certificates` made."""

    data_key_arn: pulumi.Input[str]
    disk_key_arn: pulumi.Input[str]
    certificates: pulumi.Input[str]


class ClusterSecurity(pulumi.ComponentResource):
    """The EMR security configuration, and EMR's account-wide refusal of public security groups."""

    def __init__(
        self, naming: Naming, args: ClusterSecurityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("fruits:infra:ClusterSecurity", f"{naming.prefix}-cluster-security", None, opts)
        self.configuration = aws.emr.SecurityConfiguration(
            naming.prefix,
            # EMR cannot change one: another name, so that running clusters keep theirs.
            name_prefix=f"{naming.prefix}-",
            configuration=_document(args),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.emr.BlockPublicAccessConfiguration(
            naming.prefix,
            block_public_security_group_rules=True,
            # It holds for the account's whole region: destroying this stack must not open other clusters.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.register_outputs({"configuration": self.configuration.name})


def _document(args: ClusterSecurityArgs) -> pulumi.Output[str]:
    """Source: EMR Management Guide, "Create a security configuration"."""
    return document(
        {
            "EncryptionConfiguration": {
                "EnableAtRestEncryption": True,
                "AtRestEncryptionConfiguration": {
                    "S3EncryptionConfiguration": {
                        "EncryptionMode": "SSE-KMS",
                        "AwsKmsKey": args.data_key_arn,
                    },
                    "LocalDiskEncryptionConfiguration": {
                        "EncryptionKeyProviderType": "AwsKms",
                        "AwsKmsKey": args.disk_key_arn,
                        "EnableEbsEncryption": True,
                    },
                },
                "EnableInTransitEncryption": True,
                "InTransitEncryptionConfiguration": {
                    "TLSCertificateConfiguration": {
                        "CertificateProviderType": "PEM",
                        "S3Object": args.certificates,
                    }
                },
            },
            "InstanceMetadataServiceConfiguration": {
                "MinimumInstanceMetadataServiceVersion": 2,
                "HttpPutResponseHopLimit": IMDS_HOP_LIMIT,
            },
        }
    )
