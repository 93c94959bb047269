"""Who may ask the EMR API for what: as IAM says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from infra.local.emr import InjectedFailures
from tests.local_emr.conftest import Cloud, Emr
from tests.local_emr.test_api import error_of

ALLOW_LAUNCH = {"Effect": "Allow", "Action": "elasticmapreduce:RunJobFlow", "Resource": "*"}


def assumed(cloud: Cloud, role_arn: str) -> dict[str, str]:
    session = cloud.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
    return {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }


def test_a_caller_may_do_what_its_policies_allow_and_no_more(
    cloud: Cloud, connect: Callable[..., Emr]
) -> None:
    role = cloud.make_role("launcher", "lambda.amazonaws.com", ALLOW_LAUNCH)
    emr = connect(InjectedFailures(instant_steps=True), **assumed(cloud, role))

    cluster_id = emr.launch()

    with pytest.raises(ClientError) as raised:
        emr.api.terminate_job_flows(JobFlowIds=[cluster_id])
    code, message = error_of(raised)
    assert code == "AccessDeniedException"
    assert "assumed-role/launcher/test is not authorized" in message
    assert "elasticmapreduce:TerminateJobFlows" in message


def test_a_wrong_secret_is_refused(cloud: Cloud, connect: Callable[..., Emr]) -> None:
    role = cloud.make_role("impostor", "lambda.amazonaws.com", {**ALLOW_LAUNCH, "Action": "*"})
    emr = connect(**{**assumed(cloud, role), "aws_secret_access_key": "guessed"})

    with pytest.raises(ClientError) as raised:
        emr.api.list_clusters()
    assert error_of(raised)[0] == "InvalidSignatureException"
