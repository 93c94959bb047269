"""The declared audit trail: complete, unforgeable, undeletable before its time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pulumi

from infra.local.deploy import deploy
from tests.infra.conftest import ACCOUNT_ID, PREINSTALLED, RecordingProvider, preview, statements_of


def fields(selector: dict[str, Any]) -> dict[str, Any]:
    conditions = ("equals", "notEquals", "startsWiths")
    return {
        field["field"]: next(field[name] for name in conditions if name in field)
        for field in selector["fieldSelectors"]
    }


def test_every_api_call_and_every_access_to_data_and_trail_is_recorded(declared: RecordingProvider) -> None:
    trail = declared.one("Trail")
    management, data, audit = (fields(selector) for selector in trail["advancedEventSelectors"])
    assert management == {"eventCategory": ["Management"]}
    assert data["resources.ARN"] == ["arn:test:s3/bucket:::fruits-eu-data/"]
    assert audit["resources.ARN"] == ["arn:test:s3/bucket:::fruits-eu-audit/"]
    assert trail["isMultiRegionTrail"] is trail["includeGlobalServiceEvents"] is True


def test_forged_or_missing_log_files_show(declared: RecordingProvider) -> None:
    assert declared.one("Trail")["enableLogFileValidation"] is True


def test_the_trail_has_a_key_and_a_bucket_of_its_own(declared: RecordingProvider) -> None:
    trail = declared.one("Trail")
    assert trail["kmsKeyId"] == "arn:test:kms/key:::fruits-eu-audit"
    assert trail["s3BucketName"] == "fruits-eu-audit"


def test_only_this_trail_writes_to_the_audit_bucket(declared: RecordingProvider) -> None:
    statements = statements_of(declared.one("BucketPolicy", "-audit")["policy"])
    deliver = statements["DeliverTrail"]
    assert deliver["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
    assert deliver["Resource"] == [f"arn:test:s3/bucket:::fruits-eu-audit/AWSLogs/{ACCOUNT_ID}/*"]
    trail = f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT_ID}:trail/fruits-eu-*"
    assert deliver["Condition"]["ArnLike"]["aws:SourceArn"] == trail
    others = statements["NobodyElseWrites"]
    assert (others["Effect"], others["Principal"], others["Action"]) == ("Deny", "*", ["s3:PutObject"])


def test_what_was_recorded_is_locked_for_the_configured_time_and_then_expires(build: Path) -> None:
    declared = preview(build, **{"fruits:auditRetentionDays": "90"})
    lock = declared.one("BucketObjectLockConfiguration", "-audit")["rule"]["defaultRetention"]
    assert lock == {"mode": "GOVERNANCE", "days": 90}
    assert declared.one("Bucket", "-audit")["objectLockEnabled"] is True
    _, expire = declared.one("BucketLifecycleConfiguration", "-audit")["rules"]
    assert expire["expiration"]["days"] == 90


def test_requests_to_data_and_audit_bucket_are_logged_in_a_third(declared: RecordingProvider) -> None:
    logged = {logging["bucket"]: logging["targetBucket"] for logging in declared.all_of("BucketLogging")}
    assert logged == {"fruits-eu-data": "fruits-eu-access-logs", "fruits-eu-audit": "fruits-eu-access-logs"}
    deliver = statements_of(declared.one("BucketPolicy", "-access-logs")["policy"])["DeliverAccessLogs"]
    assert deliver["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert deliver["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT_ID}}


class SlowToAllowDelivery(RecordingProvider):
    """Takes its time with the policy of the bucket that access logs are delivered to."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        answer = super().new_resource(args)
        if args.typ.endswith(":BucketPolicy") and args.name.endswith("-access-logs"):
            time.sleep(0.5)
            self.logged_before = len(self.all_of("BucketLogging"))
        return answer


def test_no_bucket_is_logged_before_the_logs_may_be_delivered(build: Path) -> None:
    provider = SlowToAllowDelivery()
    deploy(provider, stack="eu", config=PREINSTALLED, build=build)
    assert provider.logged_before == 0
    assert len(provider.all_of("BucketLogging")) == 2
