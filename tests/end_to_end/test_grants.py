"""Every granted action is needed: taken away by itself, the smallest path that should need it fails.

Paths run the real Lambdas, with clusters whose steps complete at once, and do what nodes do with the
credentials that EMR would hand them. It takes the whole stack: only there do the roles' policies, the code
that needs them and an AWS that refuses come together. What the local AWS never asks for cannot be shown to be
needed; it is listed here with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from infra.local.cloud import LocalCloud

from .grants import Grant, Grants
from .paths import Paths

_KMS_BEHIND_SERVICES = "the local S3, DynamoDB and SNS keep the key's name and never call KMS for a caller"
_FAILURES = "the local Lambda sends failed events itself, not as the function's role"
_LOGS = "the local Lambda writes a function's log itself, not as its role"
_TRACES = "local functions send no traces"
_MISSING = "who may not list is told 403 of a missing object by AWS, 404 here"
_PASS_ROLE = "the local EMR cannot tell whose roles are passed (see infra.local.emr.authorization)"
_WITH_THE_LAUNCH = "AWS asks for it at RunJobFlow, the local EMR does not"
_NO_MACHINES = "the local EMR starts no machines, so it never acts as its service role"
NOT_EXERCISED: dict[str, str] = {
    "launcher UseDataKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "launcher UseDataKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "launcher UseLedgerKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "launcher TagClusters elasticmapreduce:AddTags": _WITH_THE_LAUNCH,
    "launcher PassServiceRole iam:PassRole": _PASS_ROLE,
    "launcher PassInstanceRole iam:PassRole": _PASS_ROLE,
    "launcher WriteOwnLog logs:CreateLogStream": _LOGS,
    "launcher WriteOwnLog logs:PutLogEvents": _LOGS,
    "launcher SendTraces xray:PutTelemetryRecords": _TRACES,
    "launcher SendTraces xray:PutTraceSegments": _TRACES,
    "launcher KeepFailures sqs:SendMessage": _FAILURES,
    "launcher UseFailuresKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "launcher UseFailuresKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "launcher MissReports s3:ListBucket": _MISSING,
    "tracker KeepFailures sqs:SendMessage": _FAILURES,
    "tracker UseFailuresKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "tracker UseFailuresKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "tracker MissReports s3:ListBucket": _MISSING,
    "tracker UseDataKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "tracker UseDataKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "tracker UseLedgerKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "tracker UseTopicKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "tracker UseTopicKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "tracker WriteOwnLog logs:CreateLogStream": _LOGS,
    "tracker WriteOwnLog logs:PutLogEvents": _LOGS,
    "tracker SendTraces xray:PutTelemetryRecords": _TRACES,
    "tracker SendTraces xray:PutTraceSegments": _TRACES,
    "reconciler UseDataKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "reconciler UseDataKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "reconciler UseLedgerKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "reconciler UseTopicKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "reconciler UseTopicKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "reconciler UseFailuresKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "reconciler UseFailuresKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "reconciler KeepFailures sqs:SendMessage": _FAILURES,
    "reconciler MissReports s3:ListBucket": _MISSING,
    "reconciler TagClusters elasticmapreduce:AddTags": _WITH_THE_LAUNCH,
    "reconciler PassServiceRole iam:PassRole": _PASS_ROLE,
    "reconciler PassInstanceRole iam:PassRole": _PASS_ROLE,
    "reconciler WriteOwnLog logs:CreateLogStream": _LOGS,
    "reconciler WriteOwnLog logs:PutLogEvents": _LOGS,
    "reconciler SendTraces xray:PutTelemetryRecords": _TRACES,
    "reconciler SendTraces xray:PutTraceSegments": _TRACES,
    "emr-nodes UseDataKey kms:Decrypt": _KMS_BEHIND_SERVICES,
    "emr-nodes UseDataKey kms:GenerateDataKey": _KMS_BEHIND_SERVICES,
    "emr-service PassInstanceRole iam:PassRole": _NO_MACHINES,
    "emr-service EncryptDisks kms:CreateGrant": _NO_MACHINES,
    "emr-service EncryptDisks kms:Decrypt": _NO_MACHINES,
    "emr-service EncryptDisks kms:DescribeKey": _NO_MACHINES,
    "emr-service EncryptDisks kms:Encrypt": _NO_MACHINES,
    "emr-service EncryptDisks kms:GenerateDataKey": _NO_MACHINES,
    "emr-service EncryptDisks kms:GenerateDataKeyWithoutPlaintext": _NO_MACHINES,
    "emr-service EncryptDisks kms:ReEncryptFrom": _NO_MACHINES,
    "emr-service EncryptDisks kms:ReEncryptTo": _NO_MACHINES,
    "emr-service SeeLogKey kms:DescribeKey": _NO_MACHINES,
    "emr-service EncryptLogs kms:GenerateDataKey": _NO_MACHINES,
}

Path = Callable[[Paths], bool]
NEEDED_BY: dict[str, Path] = {
    "launcher ReadManifests s3:GetObjectVersion": Paths.launch,
    "launcher KeepRuns s3:GetObject": Paths.launch,
    "launcher KeepRuns s3:PutObject": Paths.launch,
    "launcher KeepRejections s3:GetObject": Paths.reject,
    "launcher KeepRejections s3:PutObject": Paths.reject,
    "launcher KeepRejections s3:DeleteObject": Paths.correct,
    "launcher ListActiveRuns dynamodb:Query": Paths.launch,
    "launcher CountImages s3:ListBucket": Paths.launch,
    "launcher KeepLedger dynamodb:GetItem": Paths.launch,
    "launcher KeepLedger dynamodb:PutItem": Paths.launch,
    "launcher KeepLedger dynamodb:UpdateItem": Paths.launch,
    "launcher LaunchClusters elasticmapreduce:RunJobFlow": Paths.launch,
    "launcher FindClusters elasticmapreduce:ListClusters": Paths.adopt,
    "launcher ChooseMachines elasticmapreduce:ListSupportedInstanceTypes": Paths.choose_machines,
    "tracker KeepRuns s3:GetObject": Paths.track,
    "tracker KeepRuns s3:PutObject": Paths.track,
    "tracker KeepLedger dynamodb:GetItem": Paths.track,
    "tracker KeepLedger dynamodb:PutItem": Paths.track,
    "tracker KeepLedger dynamodb:UpdateItem": Paths.track,
    "tracker InspectClusters elasticmapreduce:DescribeCluster": Paths.track,
    "tracker InspectClusters elasticmapreduce:ListInstances": Paths.track,
    "tracker InspectClusters elasticmapreduce:ListSteps": Paths.track,
    "tracker TellPeople sns:Publish": Paths.track,
    "reconciler ReadManifests s3:GetObjectVersion": Paths.dispatch_older,
    "reconciler KeepRuns s3:GetObject": Paths.dispatch,
    "reconciler KeepRuns s3:PutObject": Paths.dispatch,
    "reconciler ListActiveRuns dynamodb:Query": Paths.dispatch,
    "reconciler KeepLedger dynamodb:GetItem": Paths.dispatch,
    "reconciler KeepLedger dynamodb:PutItem": Paths.dispatch,
    "reconciler KeepLedger dynamodb:UpdateItem": Paths.dispatch,
    "reconciler LaunchClusters elasticmapreduce:RunJobFlow": Paths.dispatch,
    "reconciler FindClusters elasticmapreduce:ListClusters": Paths.catch_up,
    "reconciler ChooseMachines elasticmapreduce:ListSupportedInstanceTypes": Paths.choose_machines_later,
    "reconciler InspectClusters elasticmapreduce:DescribeCluster": Paths.catch_up,
    "reconciler InspectClusters elasticmapreduce:ListInstances": Paths.catch_up,
    "reconciler InspectClusters elasticmapreduce:ListSteps": Paths.catch_up,
    "reconciler TellPeople sns:Publish": Paths.catch_up,
    "reconciler StopClusters elasticmapreduce:SetTerminationProtection": Paths.stop_a_stranger,
    "reconciler StopClusters elasticmapreduce:TerminateJobFlows": Paths.stop_a_stranger,
    "emr-nodes ReadInputsAndOwnOutputs s3:GetObject": Paths.act_as_a_node,
    "emr-nodes WriteResultsAndLogs s3:PutObject": Paths.act_as_a_node,
    "emr-nodes ListInputsAndOutputs s3:ListBucket": Paths.act_as_a_node,
    "emr-nodes UnlockDisks kms:Decrypt": Paths.act_as_a_node,
    "emr-nodes UnlockDisks kms:GenerateDataKey": Paths.act_as_a_node,
}


PATHS = (
    Paths.launch,
    Paths.reject,
    Paths.correct,
    Paths.adopt,
    Paths.track,
    Paths.dispatch,
    Paths.dispatch_older,
    Paths.catch_up,
    Paths.choose_machines,
    Paths.choose_machines_later,
    Paths.stop_a_stranger,
    Paths.act_as_a_node,
)


@pytest.fixture(scope="module")
def silent(instant: LocalCloud) -> Iterator[LocalCloud]:
    with Paths(instant).prepared():
        yield instant


@pytest.fixture
def paths(silent: LocalCloud) -> Paths:
    return Paths(silent)


@pytest.fixture
def grants(instant: LocalCloud) -> Grants:
    return Grants(instant)


@pytest.mark.parametrize("path", PATHS)
def test_with_every_grant_the_path_works(paths: Paths, path: Path) -> None:
    assert path(paths)


def test_every_grant_has_a_path_that_needs_it_or_a_reason_why_none_can_show_it(grants: Grants) -> None:
    granted = {str(grant) for grant in grants.all()}
    assert granted == NEEDED_BY.keys() | NOT_EXERCISED.keys()
    assert not NEEDED_BY.keys() & NOT_EXERCISED.keys()


@pytest.mark.parametrize("name", NEEDED_BY)
def test_without_the_grant_the_path_fails(paths: Paths, grants: Grants, name: str) -> None:
    role, sid, action = name.split()
    if role == "reconciler":
        # It looks after every run, and so after those that other paths broke off.
        paths.settle()
    with grants.without(Grant(role, sid, action)):
        assert not NEEDED_BY[name](paths), f"nothing needed {name}"


def test_a_grant_that_nothing_needs_is_found_out(paths: Paths, grants: Grants) -> None:
    with grants.without(Grant("launcher", "FindClusters", "elasticmapreduce:ListClusters")):
        assert paths.launch()
