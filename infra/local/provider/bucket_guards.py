"""S3: the guards of a bucket, each of which is one of its sub-resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.local.provider.buckets import sub_resource
from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind

_OF_A_BUCKET = frozenset({"bucket"})


def _guard(
    put: Callable[[Any, Inputs], Any],
    get: Callable[[Any, str], Mapping[str, Any] | None],
    remove: Callable[[Any, str], Any],
) -> Kind:
    """A sub-resource with one operation to set it, one to ask for it and one to take it away.

    ``get`` answers the inputs as they are now, without the bucket's name.
    """

    def create(aws: Aws, _name: str, inputs: Inputs) -> Created:
        put(aws.client("s3"), inputs)
        return Created(inputs["bucket"])

    def read(aws: Aws, bucket: str, _known: Inputs) -> Found | None:
        found = get(aws.client("s3"), bucket)
        return None if found is None else Found({"bucket": bucket, **found})

    def update(aws: Aws, _bucket: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
        put(aws.client("s3"), new)
        return {}

    def delete(aws: Aws, bucket: str, _known: Inputs) -> None:
        remove(aws.client("s3"), bucket)

    return Kind(create, read, delete, update, fixed=_OF_A_BUCKET)


_PUBLIC_ACCESS = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}


def _put_public_access(s3: Any, inputs: Inputs) -> None:
    s3.put_public_access_block(
        Bucket=inputs["bucket"],
        PublicAccessBlockConfiguration={aws: inputs.get(ours, False) for ours, aws in _PUBLIC_ACCESS.items()},
    )


def _get_public_access(s3: Any, bucket: str) -> dict[str, Any] | None:
    answer = sub_resource(lambda: s3.get_public_access_block(Bucket=bucket))
    if answer is None:
        return None
    block = answer["PublicAccessBlockConfiguration"]
    return {ours: block[aws] for ours, aws in _PUBLIC_ACCESS.items()}


def _put_ownership(s3: Any, inputs: Inputs) -> None:
    rule = {"ObjectOwnership": inputs["rule"]["objectOwnership"]}
    s3.put_bucket_ownership_controls(Bucket=inputs["bucket"], OwnershipControls={"Rules": [rule]})


def _get_ownership(s3: Any, bucket: str) -> dict[str, Any] | None:
    answer = sub_resource(lambda: s3.get_bucket_ownership_controls(Bucket=bucket))
    if answer is None:
        return None
    (rule,) = answer["OwnershipControls"]["Rules"]
    return {"rule": {"objectOwnership": rule["ObjectOwnership"]}}


def _put_encryption(s3: Any, inputs: Inputs) -> None:
    s3.put_bucket_encryption(
        Bucket=inputs["bucket"],
        ServerSideEncryptionConfiguration={"Rules": [_encryption_rule(rule) for rule in inputs["rules"]]},
    )


def _encryption_rule(rule: Inputs) -> dict[str, Any]:
    default = rule["applyServerSideEncryptionByDefault"]
    key = {"KMSMasterKeyID": default["kmsMasterKeyId"]} if "kmsMasterKeyId" in default else {}
    return {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": default["sseAlgorithm"], **key},
        "BucketKeyEnabled": rule.get("bucketKeyEnabled", False),
    }


def _get_encryption(s3: Any, bucket: str) -> dict[str, Any] | None:
    answer = sub_resource(lambda: s3.get_bucket_encryption(Bucket=bucket))
    if answer is None:
        return None
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return {"rules": [_found_encryption(rule) for rule in rules]}


def _found_encryption(rule: Mapping[str, Any]) -> dict[str, Any]:
    default = rule["ApplyServerSideEncryptionByDefault"]
    key = {"kmsMasterKeyId": default["KMSMasterKeyID"]} if default.get("KMSMasterKeyID") else {}
    bucket_key = {"bucketKeyEnabled": True} if rule.get("BucketKeyEnabled") else {}
    return {
        "applyServerSideEncryptionByDefault": {"sseAlgorithm": default["SSEAlgorithm"], **key},
        **bucket_key,
    }


def _put_versioning(s3: Any, inputs: Inputs) -> None:
    status = inputs["versioningConfiguration"]["status"]
    s3.put_bucket_versioning(Bucket=inputs["bucket"], VersioningConfiguration={"Status": status})


def _get_versioning(s3: Any, bucket: str) -> dict[str, Any] | None:
    status = s3.get_bucket_versioning(Bucket=bucket).get("Status")
    return {"versioningConfiguration": {"status": status}} if status else None


def _suspend_versioning(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def _put_lifecycle(s3: Any, inputs: Inputs) -> None:
    s3.put_bucket_lifecycle_configuration(
        Bucket=inputs["bucket"],
        LifecycleConfiguration={"Rules": [_lifecycle_rule(rule) for rule in inputs["rules"]]},
    )


_LIFECYCLE = {
    "expiration": ("Expiration", "days", "Days"),
    "noncurrentVersionExpiration": ("NoncurrentVersionExpiration", "noncurrentDays", "NoncurrentDays"),
    "abortIncompleteMultipartUpload": (
        "AbortIncompleteMultipartUpload",
        "daysAfterInitiation",
        "DaysAfterInitiation",
    ),
}
"""Our name of an action of a rule to AWS' name, our name of its days, and AWS' name of them."""


def _lifecycle_rule(rule: Inputs) -> dict[str, Any]:
    made = {"ID": rule["id"], "Status": rule["status"], "Filter": {"Prefix": rule["filter"]["prefix"]}}
    for ours, (aws, our_days, aws_days) in _LIFECYCLE.items():
        if ours in rule:
            made[aws] = {aws_days: int(rule[ours][our_days])}
    return made


def _get_lifecycle(s3: Any, bucket: str) -> dict[str, Any] | None:
    answer = sub_resource(lambda: s3.get_bucket_lifecycle_configuration(Bucket=bucket))
    if answer is None:
        return None
    rules = []
    for rule in answer["Rules"]:
        found = {"id": rule["ID"], "status": rule["Status"], "filter": {"prefix": rule["Filter"]["Prefix"]}}
        for ours, (aws, our_days, aws_days) in _LIFECYCLE.items():
            if aws in rule:
                found[ours] = {our_days: rule[aws][aws_days]}
        rules.append(found)
    return {"rules": rules}


def _put_object_lock(s3: Any, inputs: Inputs) -> None:
    retention = inputs["rule"]["defaultRetention"]
    default = {"Mode": retention["mode"], "Days": int(retention["days"])}
    s3.put_object_lock_configuration(
        Bucket=inputs["bucket"],
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": default}},
    )


def _get_object_lock(s3: Any, bucket: str) -> dict[str, Any] | None:
    answer = sub_resource(lambda: s3.get_object_lock_configuration(Bucket=bucket))
    rule = (answer or {}).get("ObjectLockConfiguration", {}).get("Rule")
    if not rule:
        return None
    default = rule["DefaultRetention"]
    return {"rule": {"defaultRetention": {"mode": default["Mode"], "days": default["Days"]}}}


def _remove_object_lock(s3: Any, bucket: str) -> None:
    # The lock of a bucket stays for ever; what is taken away is the rule for new objects.
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})


def _put_logging(s3: Any, inputs: Inputs) -> None:
    target = {"TargetBucket": inputs["targetBucket"], "TargetPrefix": inputs["targetPrefix"]}
    s3.put_bucket_logging(Bucket=inputs["bucket"], BucketLoggingStatus={"LoggingEnabled": target})


def _get_logging(s3: Any, bucket: str) -> dict[str, Any] | None:
    target = s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled")
    if not target:
        return None
    return {"targetBucket": target["TargetBucket"], "targetPrefix": target["TargetPrefix"]}


def _put_policy(s3: Any, inputs: Inputs) -> None:
    s3.put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])


def _get_policy(s3: Any, bucket: str) -> dict[str, Any] | None:
    answer = sub_resource(lambda: s3.get_bucket_policy(Bucket=bucket))
    return None if answer is None else {"policy": answer["Policy"]}


def _put_notification(s3: Any, inputs: Inputs) -> None:
    targets = [
        {
            "LambdaFunctionArn": target["lambdaFunctionArn"],
            "Events": target["events"],
            "Filter": {
                "Key": {
                    "FilterRules": [
                        {"Name": "prefix", "Value": target["filterPrefix"]},
                        {"Name": "suffix", "Value": target["filterSuffix"]},
                    ]
                }
            },
        }
        for target in inputs["lambdaFunctions"]
    ]
    s3.put_bucket_notification_configuration(
        Bucket=inputs["bucket"], NotificationConfiguration={"LambdaFunctionConfigurations": targets}
    )


def _get_notification(s3: Any, bucket: str) -> dict[str, Any] | None:
    targets = s3.get_bucket_notification_configuration(Bucket=bucket).get("LambdaFunctionConfigurations")
    if not targets:
        return None
    return {"lambdaFunctions": [_found_target(target) for target in targets]}


def _found_target(target: Mapping[str, Any]) -> dict[str, Any]:
    rules = {rule["Name"].lower(): rule["Value"] for rule in target["Filter"]["Key"]["FilterRules"]}
    return {
        "lambdaFunctionArn": target["LambdaFunctionArn"],
        "events": target["Events"],
        "filterPrefix": rules["prefix"],
        "filterSuffix": rules["suffix"],
    }


def _remove_notification(s3: Any, bucket: str) -> None:
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})


KINDS: dict[str, Kind] = {
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _guard(
        _put_public_access,
        _get_public_access,
        lambda s3, bucket: s3.delete_public_access_block(Bucket=bucket),
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _guard(
        _put_ownership, _get_ownership, lambda s3, bucket: s3.delete_bucket_ownership_controls(Bucket=bucket)
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _guard(
        _put_encryption, _get_encryption, lambda s3, bucket: s3.delete_bucket_encryption(Bucket=bucket)
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _guard(_put_versioning, _get_versioning, _suspend_versioning),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _guard(
        _put_lifecycle, _get_lifecycle, lambda s3, bucket: s3.delete_bucket_lifecycle(Bucket=bucket)
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _guard(
        _put_object_lock, _get_object_lock, _remove_object_lock
    ),
    "aws:s3/bucketLogging:BucketLogging": _guard(
        _put_logging,
        _get_logging,
        lambda s3, bucket: s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={}),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _guard(
        _put_policy, _get_policy, lambda s3, bucket: s3.delete_bucket_policy(Bucket=bucket)
    ),
    "aws:s3/bucketNotification:BucketNotification": _guard(
        _put_notification, _get_notification, _remove_notification
    ),
}
