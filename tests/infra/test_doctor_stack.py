"""What doctor says of a deployed stack, by facts that are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.doctor import deployed, guards, health
from infra.doctor.account import ENDPOINT_SERVICES
from infra.doctor.deployed import DEPLOY, Code, Network
from infra.doctor.examination import RESTORE
from infra.doctor.finding import Finding, Status
from infra.doctor.guards import Bucket
from infra.doctor.stack import Function, Rule, Uploads
from lambdas.contract.settings import Caps
from lambdas.runs.admission import Admissions

ARN = "arn:aws:lambda:eu-west-1:1:function"
QUEUE = "arn:aws:sqs:eu-west-1:1:fruits-eu-failures-0123456"
FUNCTION = Function(
    "fruits-eu-launcher", "Active", "Successful", "a" * 64, stopped=False, keeps_failures_in=QUEUE
)


def said(findings: list[Finding]) -> tuple[Status, str, str | None]:
    (finding,) = findings
    return finding.status, finding.text, finding.remedy


@pytest.mark.parametrize(
    ("change", "text", "remedy"),
    [
        (
            {"state": "Failed"},
            "fruits-eu-launcher is Failed",
            f"wait a minute, look again; {RESTORE}",
        ),
        ({"update": "Failed"}, "the last update of fruits-eu-launcher failed", "`pulumi up` again"),
        (
            {"stopped": True},
            "fruits-eu-launcher may not run: its reserved concurrency is 0; its events wait up to six hours",
            "`aws lambda delete-function-concurrency --function-name fruits-eu-launcher`",
        ),
        (
            {"keeps_failures_in": ""},
            "failed events of fruits-eu-launcher do not go to the failure queue",
            RESTORE,
        ),
    ],
)
def test_a_function_that_cannot_do_its_work_is_a_fault(
    change: dict[str, Any], text: str, remedy: str
) -> None:
    assert said(deployed.functions([replace(FUNCTION, **change)], QUEUE)) == (Status.FAULT, text, remedy)


def test_functions_that_nobody_called_for_weeks_are_as_good_as_others() -> None:
    assert said(deployed.functions([replace(FUNCTION, state="Inactive")], QUEUE)) == (
        Status.OK,
        "launcher, tracker, reconciler: active",
        None,
    )


UPLOADS = Uploads(((f"{ARN}:fruits-eu-launcher", "manifests/"),), allowed=True)


@pytest.mark.parametrize(
    "calls",
    [
        (),
        ((f"{ARN}:somebody-elses", "manifests/"),),
        ((f"{ARN}:fruits-eu-launcher", "images/"),),
    ],
)
def test_uploads_of_which_the_launcher_is_not_told_are_a_fault(calls: tuple[tuple[str, str], ...]) -> None:
    assert said(deployed.uploads(replace(UPLOADS, calls=calls), "fruits-eu-launcher")) == (
        Status.FAULT,
        "the data bucket does not tell fruits-eu-launcher of uploads below manifests/",
        f"{RESTORE}; then upload again what was uploaded meanwhile",
    )


def test_a_launcher_that_s3_may_not_call_is_a_fault() -> None:
    assert said(deployed.uploads(UPLOADS, "fruits-eu-launcher"))[0] is Status.OK
    assert said(deployed.uploads(replace(UPLOADS, allowed=False), "fruits-eu-launcher")) == (
        Status.FAULT,
        "S3 may not call fruits-eu-launcher",
        RESTORE,
    )


def test_a_rule_that_is_off_or_calls_nobody_is_a_fault() -> None:
    rule = Rule("fruits-eu-emr-1", enabled=True, targets=(f"{ARN}:fruits-eu-tracker",))
    assert said(deployed.rule(rule, "fruits-eu-tracker"))[0] is Status.OK
    assert said(deployed.rule(replace(rule, enabled=False), "fruits-eu-tracker")) == (
        Status.FAULT,
        "rule fruits-eu-emr-1 is disabled",
        "`aws events enable-rule --name fruits-eu-emr-1`",
    )
    assert said(deployed.rule(replace(rule, targets=()), "fruits-eu-tracker")) == (
        Status.FAULT,
        "rule fruits-eu-emr-1 does not call fruits-eu-tracker",
        RESTORE,
    )


def test_a_build_that_is_not_what_runs_is_a_warning() -> None:
    runs = {"job.zip": "artifacts/job-1.zip", "step.py": "artifacts/step-1.py"}
    assert said(deployed.code(Code(runs, {**runs, "job.zip": "artifacts/job-2.zip"}))) == (
        Status.WARNING,
        "deployed is another version than in build/: job.zip",
        DEPLOY,
    )
    assert said(deployed.code(Code(runs, {}))) == (
        Status.WARNING,
        "build/ is empty, so what is deployed cannot be compared",
        "`make package`",
    )
    assert said(deployed.code(Code(runs, runs)))[0] is Status.OK


def test_artifacts_that_are_gone_are_a_fault() -> None:
    assert said(deployed.artifacts(["artifacts/job-1.zip"])) == (
        Status.FAULT,
        "clusters are told to fetch what is not in the bucket: artifacts/job-1.zip",
        f"`make package`, then {RESTORE}",
    )
    assert said(deployed.artifacts([]))[0] is Status.OK


def test_a_network_without_its_parts_is_a_fault() -> None:
    whole = Network([], dict.fromkeys(ENDPOINT_SERVICES, "available"))
    assert said(deployed.network(whole))[0] is Status.OK
    assert said(deployed.network(replace(whole, missing=["subnet-1", "sg-2"]))) == (
        Status.FAULT,
        "EC2 does not know subnet-1, sg-2",
        RESTORE,
    )
    assert said(deployed.network(replace(whole, endpoints={**whole.endpoints, "kms": "deleting"}))) == (
        Status.FAULT,
        "the network's endpoint of kms is deleting: nodes do not reach it",
        RESTORE,
    )
    without = {name: state for name, state in whole.endpoints.items() if name != "s3"}
    assert said(deployed.network(replace(whole, endpoints=without)))[1] == (
        "the network's endpoint of s3 is missing: nodes do not reach it"
    )


def test_roles_that_are_gone_are_a_fault() -> None:
    assert said(deployed.roles(["fruits-eu-emr-service-1"])) == (
        Status.FAULT,
        "IAM does not know fruits-eu-emr-service-1, so no cluster can be launched",
        RESTORE,
    )
    assert said(deployed.roles([]))[0] is Status.OK


BUCKET = Bucket("b", (), versioned=True, encryption="aws:kms")


@pytest.mark.parametrize(
    ("change", "text", "remedy"),
    [
        (
            {"open": ("BlockPublicAcls", "BlockPublicPolicy")},
            "b can be opened to the public: BlockPublicAcls, BlockPublicPolicy off",
            f"{RESTORE}; CloudTrail (PutBucketPublicAccessBlock) says who did it",
        ),
        ({"versioned": False}, "b is not versioned: manifests there name no run", RESTORE),
        ({"encryption": "AES256"}, "b is encrypted with AES256, and not aws:kms", RESTORE),
    ],
)
def test_a_bucket_without_one_of_its_guards_is_a_fault(
    change: dict[str, Any], text: str, remedy: str
) -> None:
    assert said(guards.bucket(BUCKET, encryption="aws:kms"))[0] is Status.OK
    assert said(guards.bucket(replace(BUCKET, **change), encryption="aws:kms")) == (
        Status.FAULT,
        text,
        remedy,
    )


TABLE = {
    "TableName": "t",
    "TableStatus": "ACTIVE",
    "PointInTimeRecovery": True,
    "SSEDescription": {"Status": "ENABLED"},
}


@pytest.mark.parametrize(
    ("change", "text", "remedy"),
    [
        ({"TableStatus": "DELETING"}, "t is DELETING", "wait a minute and look again"),
        (
            {"PointInTimeRecovery": False},
            "t cannot be restored: its point-in-time recovery is off",
            RESTORE,
        ),
        ({"SSEDescription": {}}, "t is not encrypted with the stack's key", RESTORE),
    ],
)
def test_a_ledger_that_is_not_as_declared_is_a_fault(change: dict[str, Any], text: str, remedy: str) -> None:
    assert said(guards.ledger(TABLE))[0] is Status.OK
    assert said(guards.ledger(TABLE | change)) == (Status.FAULT, text, remedy)


def test_keys_that_cannot_be_used_are_a_fault() -> None:
    assert said(guards.keys({"data": ("arn:k", "Enabled")})) == (Status.OK, "data: enabled", None)
    assert said(guards.keys({"data": ("arn:k", "PendingDeletion")})) == (
        Status.FAULT,
        "the data key will be deleted, and with it all that it encrypts is lost",
        "`aws kms cancel-key-deletion --key-id arn:k`, then `aws kms enable-key --key-id arn:k`",
    )
    assert said(guards.keys({"data": ("arn:k", "Disabled")})) == (
        Status.FAULT,
        "the data key is Disabled: what it encrypts cannot be read",
        "`aws kms enable-key --key-id arn:k`",
    )


TRAIL = {"Name": "fruits-eu", "IsLogging": True, "LogFileValidationEnabled": True}


@pytest.mark.parametrize(
    ("change", "text", "remedy"),
    [
        (
            {"IsLogging": False},
            "trail fruits-eu does not record: nobody will know what happens from now on",
            "`aws cloudtrail start-logging --name fruits-eu`",
        ),
        (
            {"LatestDeliveryError": "AccessDenied"},
            "trail fruits-eu cannot deliver (AccessDenied)",
            f"{RESTORE}: policy of the audit bucket, or the audit key",
        ),
        (
            {"LogFileValidationEnabled": False},
            "trail fruits-eu signs no digests: forged files would not show",
            RESTORE,
        ),
    ],
)
def test_a_trail_that_does_not_do_its_work_is_a_fault(change: dict[str, Any], text: str, remedy: str) -> None:
    assert said(guards.trail(TRAIL)) == (Status.OK, "fruits-eu records", None)
    assert said(guards.trail(TRAIL | change)) == (Status.FAULT, text, remedy)


def test_clusters_without_encryption_or_imdsv2_are_a_fault() -> None:
    both = {"EnableAtRestEncryption": True, "EnableInTransitEncryption": True}
    imds = {"MinimumInstanceMetadataServiceVersion": 2}
    whole = {"EncryptionConfiguration": both, "InstanceMetadataServiceConfiguration": imds}
    assert said(guards.cluster_security(whole))[0] is Status.OK
    plain = {**whole, "EncryptionConfiguration": {**both, "EnableInTransitEncryption": False}}
    assert said(guards.cluster_security(plain)) == (
        Status.FAULT,
        "clusters are not encrypted at rest and in transit",
        RESTORE,
    )
    assert said(guards.cluster_security({"EncryptionConfiguration": both})) == (
        Status.FAULT,
        "nodes answer to version 1 of the instance metadata service",
        RESTORE,
    )


CAPS = Caps(max_clusters=10, max_eur_per_day=100.0, launches_per_second=0.5)
TEXTS = st.text(max_size=8)
JUDGED = st.one_of(
    st.lists(st.builds(Function), max_size=3).map(lambda found: deployed.functions(found, "q")),
    st.builds(Uploads).map(lambda found: deployed.uploads(found, "f")),
    st.builds(Rule).map(lambda found: deployed.rule(found, "f")),
    st.builds(Code, st.fixed_dictionaries({"a": TEXTS}), st.dictionaries(st.just("a"), TEXTS)).map(
        deployed.code
    ),
    st.lists(TEXTS).map(deployed.artifacts),
    st.builds(Network, st.lists(TEXTS), st.dictionaries(st.sampled_from(ENDPOINT_SERVICES), TEXTS)).map(
        deployed.network
    ),
    st.builds(Bucket).map(lambda found: guards.bucket(found, encryption="aws:kms")),
    st.dictionaries(TEXTS, st.tuples(TEXTS, TEXTS), min_size=1).map(guards.keys),
    st.builds(Admissions).map(lambda account: health.cost_today(account, CAPS, 1.8e9)),
)


@given(JUDGED)
def test_every_finding_says_what_to_do_unless_all_is_well(findings: list[Finding]) -> None:
    assert findings
    for finding in findings:
        assert finding.text
        assert bool(finding.remedy) == (finding.status is not Status.OK)
