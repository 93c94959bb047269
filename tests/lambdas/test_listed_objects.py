"""What S3's listing says of an object, as the launcher understands it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.aws.buckets import S3Buckets
from lambdas.runs.ports import Found

RESTORED = {"IsRestoreInProgress": False, "RestoreExpiryDate": datetime(2030, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("described", "archived_in"),
    [
        ({}, None),
        ({"StorageClass": "STANDARD_IA"}, None),
        # Read at once, whatever its name says.
        ({"StorageClass": "GLACIER_IR"}, None),
        ({"StorageClass": "GLACIER"}, "GLACIER"),
        ({"StorageClass": "DEEP_ARCHIVE", "RestoreStatus": {"IsRestoreInProgress": True}}, "DEEP_ARCHIVE"),
        ({"StorageClass": "DEEP_ARCHIVE", "RestoreStatus": RESTORED}, None),
    ],
    ids=["plain", "infrequent", "instant", "archived", "being restored", "restored"],
)
def test_an_archived_object_can_be_read_once_it_is_restored(
    described: dict[str, Any], archived_in: str | None
) -> None:
    s3 = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(s3) as stubber:
        stubber.add_response(
            "list_objects_v2",
            {"Contents": [{"Key": "ice/1.jpg", **described}]},
            {"Bucket": "photos", "Prefix": "ice/", "OptionalObjectAttributes": ["RestoreStatus"]},
        )
        assert list(S3Buckets(s3).pages("photos", "ice/")) == [(Found("ice/1.jpg", archived_in),)]
