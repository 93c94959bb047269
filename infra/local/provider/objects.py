"""S3: the bucket, its guards and its objects."""

from __future__ import annotations

from pathlib import Path

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _bucket(aws: Aws, name: str, inputs: Inputs) -> Created:
    s3, bucket = aws.client("s3"), physical_name(name, inputs, "bucket")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": aws.region})
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
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"]
            }
        }
        for rule in inputs["rules"]
    ]
    aws.client("s3").put_bucket_encryption(
        Bucket=inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
    )
    return Created(inputs["bucket"])


def _versioning(aws: Aws, _name: str, inputs: Inputs) -> Created:
    status = inputs["versioningConfiguration"]["status"]
    aws.client("s3").put_bucket_versioning(
        Bucket=inputs["bucket"], VersioningConfiguration={"Status": status}
    )
    return Created(inputs["bucket"])


def _lifecycle(aws: Aws, _name: str, inputs: Inputs) -> Created:
    rules = [
        {
            "ID": rule["id"],
            "Status": rule["status"],
            "Filter": {"Prefix": rule["filter"]["prefix"]},
            "NoncurrentVersionExpiration": {
                "NoncurrentDays": int(rule["noncurrentVersionExpiration"]["noncurrentDays"])
            },
            "AbortIncompleteMultipartUpload": {
                "DaysAfterInitiation": int(rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"])
            },
        }
        for rule in inputs["rules"]
    ]
    aws.client("s3").put_bucket_lifecycle_configuration(
        Bucket=inputs["bucket"], LifecycleConfiguration={"Rules": rules}
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
    "aws:s3/bucketPolicy:BucketPolicy": _policy,
    "aws:s3/bucketObjectv2:BucketObjectv2": _object,
    "aws:s3/bucketNotification:BucketNotification": _notification,
}
