"""Where a stack lives: what every component needs to name things and to build ARNs."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from lambdas.contract.regions import DNS_SUFFIX, PARTITION


@dataclass(frozen=True)
class Naming:
    """``prefix`` (``fruits-eu``) begins every name in the stack."""

    prefix: str
    region: str
    account_id: pulumi.Output[str]

    @property
    def account_arn(self) -> pulumi.Output[str]:
        """The account as a principal: in a key policy, it leaves the decision to the account's IAM."""
        return pulumi.Output.concat(f"arn:{PARTITION}:iam::", self.account_id, ":root")

    def arn(self, service: str, resource: str) -> pulumi.Output[str]:
        """The ARN of a regional resource in this account."""
        return pulumi.Output.concat(
            f"arn:{PARTITION}:{service}:{self.region}:", self.account_id, f":{resource}"
        )

    def bucket_arn(self, name: str) -> str:
        """The ARN of a bucket by its name, whoever owns it."""
        return f"arn:{PARTITION}:s3:::{name}"

    def managed_policy(self, name: str) -> str:
        """The ARN of a policy that AWS maintains."""
        return f"arn:{PARTITION}:iam::aws:policy/{name}"

    def service_host(self, service: str) -> str:
        """The host name of a regional service, which is also what ``kms:ViaService`` compares with."""
        return f"{service}.{self.region}.{DNS_SUFFIX}"

    def endpoint_service(self, service: str) -> str:
        """The name under which a service offers VPC endpoints: ``com.amazonaws.eu-west-1.s3``."""
        reversed_suffix = ".".join(reversed(DNS_SUFFIX.split(".")))
        return f"{reversed_suffix}.{self.region}.{service}"
