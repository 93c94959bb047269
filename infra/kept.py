"""What outlives a stack that keeps its data, written down in its bucket for a later stack to take over."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Self

import pulumi
import pulumi_aws as aws

from lambdas.contract.layout import KEPT, LIVE, STACK

VERSION = 1


class CannotAdopt(pulumi.RunError):
    """There is nothing to take over where the configuration says there is."""


@dataclass(frozen=True)
class Kept:
    """Names of buckets and table, and ids of the keys that their content needs; all None: nothing."""

    data_bucket: str | None = None
    access_logs_bucket: str | None = None
    audit_bucket: str | None = None
    ledger_table: str | None = None
    data_key: str | None = None
    control_key: str | None = None
    audit_key: str | None = None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :func:`write_kept` wrote.

        Raises:
            ValueError: it is something else, or of a newer version.
        """
        given = json.loads(text)
        if not isinstance(given, dict) or given.pop("version", None) != VERSION:
            raise ValueError(f"is not of version {VERSION}")
        names = {field.name for field in dataclasses.fields(cls)}
        if given.keys() != names or not all(isinstance(value, str) for value in given.values()):
            raise ValueError(f"does not name exactly {', '.join(sorted(names))}")
        return cls(**given)


def write_kept(
    prefix: str, bucket: pulumi.Input[str], parts: dict[str, pulumi.Input[str]], opts: pulumi.ResourceOptions
) -> None:
    """Write it into the data bucket of the stack with this prefix. ``parts`` are :class:`Kept`'s fields."""
    kept = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True))
    _write(f"{prefix}-kept", bucket, KEPT, parts, kept)


def write_owner(prefix: str, bucket: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
    """Write into the data bucket whose it is; goes with the stack."""
    _write(f"{prefix}-live", bucket, LIVE, {"stack": prefix}, opts)


def _write(
    name: str,
    bucket: pulumi.Input[str],
    key: str,
    content: dict[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> None:
    aws.s3.BucketObjectv2(
        name,
        bucket=bucket,
        key=key,
        content=pulumi.Output.json_dumps({"version": VERSION, **content}, sort_keys=True),
        content_type="application/json",
        opts=opts,
    )


def read_kept(bucket: str, provider: pulumi.ProviderResource, *, ours: bool) -> Kept:
    """What belongs to a kept data bucket; ``ours``: this stack has taken the bucket itself over already.

    Raises:
        CannotAdopt: no stack kept a bucket of this name, it cannot be read, or its stack still lives.
    """
    opts = pulumi.InvokeOptions(provider=provider)
    try:
        there: Any = aws.s3.get_objects(bucket=bucket, prefix=STACK, opts=opts)
        found: Any = aws.s3.get_object(bucket=bucket, key=KEPT, opts=opts)
        kept = Kept.from_json(found.body)
    except Exception as error:  # the SDK raises bare exceptions for what the provider refuses
        raise CannotAdopt(
            f"adopt: {bucket!r} cannot be taken over: s3://{bucket}/{KEPT} cannot be read ({error}). Only a "
            "bucket that a stack left behind with keepDataOnDestroy has it. Correct the name, or remove the "
            "setting"
        ) from error
    if LIVE in there.keys and not ours:
        raise CannotAdopt(
            f"adopt: {bucket!r} still belongs to a stack (s3://{bucket}/{LIVE} names it); two would work on "
            "the same data. `pulumi destroy` that one first, or remove the setting"
        )
    if kept.data_bucket != bucket:
        raise CannotAdopt(f"adopt: s3://{bucket}/{KEPT} speaks of {kept.data_bucket!r}; set that name")
    return kept
