"""S3: the bucket, its guards and its objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _bucket(aws: Aws, name: str, inputs: Inputs) -> Created:
    s3, bucket = aws.client("s3"), physical_name(name, inputs, "bucket")
    s3.create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": aws.region},
        ObjectLockEnabledForBucket=inputs.get("objectLockEnabled", False),
    )
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": aws.tag_list})
    return Created(bucket, {"bucket": bucket, "arn": f"arn:aws:s3:::{bucket}", "region": aws.region})


def _public_access_block(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("s3").put_public_access_block(
        Bucket=inputs["bucket"],
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": inputs["blockPublicAcls"],
            "BlockPublicPolicy": inputs["blockPublicPolicy"],
            "IgnorePublicAcls": inputs["ignorePublicAcls"],
            "RestrictPublicBuckets": inputs["restrictPublicBuckets"],
        },
    )
    return Created(inputs["bucket"])


def _ownership_controls(aws: Aws, _name: str, inputs: Inputs) -> Created:
    rule = {"ObjectOwnership": inputs["rule"]["objectOwnership"]}
    aws.client("s3").put_bucket_ownership_controls(
        Bucket=inputs["bucket"], OwnershipControls={"Rules": [rule]}
    )
    return Created(inputs["bucket"])


def _encryption(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("s3").put_bucket_encryption(
        Bucket=inputs["bucket"],
        ServerSideEncryptionConfiguration={"Rules": [_encryption_rule(rule) for rule in inputs["rules"]]},
    )
    return Created(inputs["bucket"])


def _encryption_rule(rule: Inputs) -> dict[str, Any]:
    default = rule["applyServerSideEncryptionByDefault"]
    key = {"KMSMasterKeyID": default["kmsMasterKeyId"]} if "kmsMasterKeyId" in default else {}
    return {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": default["sseAlgorithm"], **key},
        "BucketKeyEnabled": rule.get("bucketKeyEnabled", False),
    }


def _versioning(aws: Aws, _name: str, inputs: Inputs) -> Created:
    status = inputs["versioningConfiguration"]["status"]
    aws.client("s3").put_bucket_versioning(
        Bucket=inputs["bucket"], VersioningConfiguration={"Status": status}
    )
    return Created(inputs["bucket"])


def _lifecycle(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("s3").put_bucket_lifecycle_configuration(
        Bucket=inputs["bucket"],
        LifecycleConfiguration={"Rules": [_lifecycle_rule(rule) for rule in inputs["rules"]]},
    )
    return Created(inputs["bucket"])


def _lifecycle_rule(rule: Inputs) -> dict[str, Any]:
    made = {"ID": rule["id"], "Status": rule["status"], "Filter": {"Prefix": rule["filter"]["prefix"]}}
    if "expiration" in rule:
        made["Expiration"] = {"Days": int(rule["expiration"]["days"])}
    if "noncurrentVersionExpiration" in rule:
        days = int(rule["noncurrentVersionExpiration"]["noncurrentDays"])
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    if "abortIncompleteMultipartUpload" in rule:
        days = int(rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"])
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    return made


def _object_lock(aws: Aws, _name: str, inputs: Inputs) -> Created:
    retention = inputs["rule"]["defaultRetention"]
    default = {"Mode": retention["mode"], "Days": int(retention["days"])}
    aws.client("s3").put_object_lock_configuration(
        Bucket=inputs["bucket"],
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": default}},
    )
    return Created(inputs["bucket"])


def _logging(aws: Aws, _name: str, inputs: Inputs) -> Created:
    target = {"TargetBucket": inputs["targetBucket"], "TargetPrefix": inputs["targetPrefix"]}
    aws.client("s3").put_bucket_logging(
        Bucket=inputs["bucket"], BucketLoggingStatus={"LoggingEnabled": target}
    )
    return Created(inputs["bucket"])


def _policy(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("s3").put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
    return Created(inputs["bucket"])


def _object(aws: Aws, _name: str, inputs: Inputs) -> Created:
    body = Path(inputs["source"].path).read_bytes()
    stored = aws.client("s3").put_object(Bucket=inputs["bucket"], Key=inputs["key"], Body=body)
    return Created(inputs["key"], {"versionId": stored.get("VersionId", ""), "etag": stored["ETag"]})


def _notification(aws: Aws, _name: str, inputs: Inputs) -> Created:
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
    aws.client("s3").put_bucket_notification_configuration(
        Bucket=inputs["bucket"], NotificationConfiguration={"LambdaFunctionConfigurations": targets}
    )
    return Created(inputs["bucket"])


CREATORS: dict[str, Creator] = {
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _public_access_block,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _ownership_controls,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _encryption,
    "aws:s3/bucketVersioning:BucketVersioning": _versioning,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _lifecycle,
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _object_lock,
    "aws:s3/bucketLogging:BucketLogging": _logging,
    "aws:s3/bucketPolicy:BucketPolicy": _policy,
    "aws:s3/bucketObjectv2:BucketObjectv2": _object,
    "aws:s3/bucketNotification:BucketNotification": _notification,
}
