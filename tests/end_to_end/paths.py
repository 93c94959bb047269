"""The smallest things that the stack does, and the policies that allow them."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from infra.local.cloud import LocalCloud
from infra.local.submit import Submitted, manifest_for, upload_manifest
from lambdas.contract import layout
from lambdas.contract.run import RunState

from .test_a_run import s3_event

ROLES = ("launcher", "tracker", "emr-nodes", "emr-service")
"""Those whose own policies are taken apart, by what their names hold."""
WAIT_SECONDS = 20.0

ON_A_NODE = """
set -e
python - "$1" "$2" <<'PROGRAM'
import sys
import boto3
from spark.storage import join_uri, list_below, open_store, read_uri, write

root, key_id = sys.argv[1:]
write(open_store(root), "runs/grants/written", b"x")
assert [read_uri(uri) for uri, _, _ in list_below(join_uri(root, "images/grants/"))] == [b"x"]
kms = boto3.client("kms")
kms.decrypt(CiphertextBlob=kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")["CiphertextBlob"])
PROGRAM
"""


@dataclass(frozen=True)
class Grant:
    """One action of one statement in a role's policy."""

    role: str
    sid: str
    action: str

    def __str__(self) -> str:
        return f"{self.role} {self.sid} {self.action}"


@dataclass(frozen=True)
class Paths:
    """The smallest things that the stack does. Each returns whether it worked."""

    cloud: LocalCloud
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def launch(self) -> bool:
        """A good manifest becomes a cluster."""
        return self._launched(self._upload(self._name())) == "launched"

    def reject(self) -> bool:
        """A bad manifest is answered."""
        return self._launched(self._upload(self._name(), engin="fast")) == "rejected"

    def correct(self) -> bool:
        """The correction of a bad manifest takes the answer away and becomes a cluster."""
        name = self._name()
        self.cloud.client("s3").put_object(
            Bucket=self.cloud.bucket, Key=f"{layout.REJECTIONS}{name}.json", Body=b"{}"
        )
        return self._launched(self._upload(name)) == "launched" and not self._rejections(name)

    def adopt(self) -> bool:
        """A launch that was not recorded is found again."""
        run, later = self._upload(self._name()), self._upload(self._name())
        if self._launched(run) != "launched":
            return False
        self.cloud.client("dynamodb").update_item(
            TableName=self.cloud.outputs["ledger_table"],
            Key={"run_id": {"S": run.run_id}},
            UpdateExpression="SET #state = :queued, active = :queued REMOVE history[2], cluster_id",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":queued": {"S": RunState.QUEUED}},
        )
        return self._launched(later) == "launched" and self._state(run) == RunState.LAUNCHED

    def track(self) -> bool:
        """The end of a cluster is recorded and told."""
        run = self._upload(self._name())
        event = {"detail-type": "EMR Cluster State Change", "source": "aws.emr"}
        detail = {"clusterId": self._cluster_of(run), "state": "TERMINATED"}
        answer = self._invoke("tracker_function", {**event, "detail": detail})
        return answer is not None and answer["state"] == RunState.FAILED and self._has_status(run)

    def run_on_a_node(self) -> bool:
        """A node fetches a script that reads, lists, writes and unlocks; EMR keeps its log."""
        emr, root = self.cloud.client("emr"), f"s3://{self.cloud.bucket}"
        launched = emr.run_job_flow(
            Name="grants",
            Instances={"KeepJobFlowAliveWhenNoSteps": False},
            JobFlowRole=self._setting("INSTANCE_PROFILE_ARN"),
            LogUri=f"{root}/{layout.LOGS}",
            BootstrapActions=[
                {
                    "Name": "grants",
                    "ScriptBootstrapAction": {
                        "Path": f"{root}/{layout.ARTIFACTS}grants.sh",
                        "Args": [root, self._key("nodes")],
                    },
                }
            ],
        )
        cluster = launched["JobFlowId"]
        logs = self.cloud.client("s3").list_objects_v2
        return self._end_of(cluster) == "TERMINATED" and bool(
            logs(Bucket=self.cloud.bucket, Prefix=f"{layout.LOGS}{cluster}/")["KeyCount"]
        )

    def prepare(self) -> None:
        """Silence the events that would run the Lambdas by themselves, and upload what paths need."""
        s3, events = self.cloud.client("s3"), self.cloud.client("events")
        s3.put_bucket_notification_configuration(Bucket=self.cloud.bucket, NotificationConfiguration={})
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
        s3.put_object(Bucket=self.cloud.bucket, Key="images/grants/1.jpg", Body=b"x")
        s3.put_object(Bucket=self.cloud.bucket, Key="artifacts/grants.sh", Body=ON_A_NODE.encode())

    def grants(self) -> list[Grant]:
        """Everything that the roles' own policies allow."""
        return [
            Grant(role, statement["Sid"], action)
            for role in ROLES
            for statement in self._policy(role)["Statement"]
            for action in statement["Action"]
        ]

    @contextlib.contextmanager
    def without(self, grant: Grant) -> Iterator[None]:
        """Take one action from one statement for a while."""
        whole = self._policy(grant.role)
        statements = [
            {**statement, "Action": [a for a in statement["Action"] if a != grant.action]}
            if statement["Sid"] == grant.sid
            else statement
            for statement in whole["Statement"]
        ]
        self._put_policy(grant.role, {**whole, "Statement": [s for s in statements if s["Action"]]})
        try:
            yield
        finally:
            self._put_policy(grant.role, whole)

    def _name(self) -> str:
        return f"grants-{next(self._numbers)}"

    def _upload(self, name: str, **changes: Any) -> Submitted:
        manifest = manifest_for(self.cloud.bucket, "grants", notify=True, **changes)
        return upload_manifest(self.cloud.client("s3"), self.cloud.bucket, name, manifest)

    def _launched(self, run: Submitted) -> str | None:
        answer = self._invoke("launcher_function", s3_event(self.cloud.bucket, run))
        return str(answer[0]["outcome"]) if answer else None

    def _invoke(self, function: str, event: dict[str, Any]) -> Any:
        """What the function answers; None when it raised."""
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.cloud.outputs[function], Payload=json.dumps(event).encode()
        )
        return None if "FunctionError" in answer else json.load(answer["Payload"])

    def _state(self, run: Submitted) -> str:
        item = self.cloud.client("dynamodb").get_item(
            TableName=self.cloud.outputs["ledger_table"], Key={"run_id": {"S": run.run_id}}
        )
        return str(item["Item"]["state"]["S"])

    def _cluster_of(self, run: Submitted) -> str:
        assert self._launched(run) == "launched"
        item = self.cloud.client("dynamodb").get_item(
            TableName=self.cloud.outputs["ledger_table"], Key={"run_id": {"S": run.run_id}}
        )
        cluster = str(item["Item"]["cluster_id"]["S"])
        self._end_of(cluster)
        return cluster

    def _end_of(self, cluster: str) -> str:
        deadline = time.monotonic() + WAIT_SECONDS
        emr = self.cloud.client("emr")
        while True:
            state = str(emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"])
            if state.startswith("TERMINATED"):
                return state
            assert time.monotonic() < deadline, f"{cluster} is still {state}"
            time.sleep(0.05)

    def _has_status(self, run: Submitted) -> bool:
        key = layout.RunLayout(run.dataset, run.run_id).status
        status = json.load(self.cloud.client("s3").get_object(Bucket=self.cloud.bucket, Key=key)["Body"])
        return bool(status["state"] == RunState.FAILED)

    def _rejections(self, name: str) -> int:
        prefix = f"{layout.REJECTIONS}{name}."
        return int(
            self.cloud.client("s3").list_objects_v2(Bucket=self.cloud.bucket, Prefix=prefix)["KeyCount"]
        )

    def _key(self, purpose: str) -> str:
        aliases = self.cloud.client("kms").list_aliases()["Aliases"]
        return next(str(a["TargetKeyId"]) for a in aliases if a["AliasName"].endswith(f"-{purpose}"))

    def _setting(self, name: str) -> str:
        launcher = self.cloud.outputs["launcher_function"]
        described = self.cloud.client("lambda").get_function_configuration(FunctionName=launcher)
        return str(described["Environment"]["Variables"][f"FRUITS_{name}"])

    def _role(self, part_of_name: str) -> str:
        (name,) = [
            role["RoleName"]
            for role in self.cloud.client("iam").list_roles()["Roles"]
            if f"-{part_of_name}-" in role["RoleName"]
        ]
        return str(name)

    def _policy(self, role: str) -> dict[str, Any]:
        iam, name = self.cloud.client("iam"), self._role(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        document: dict[str, Any] = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        return document

    def _put_policy(self, role: str, document: dict[str, Any]) -> None:
        iam, name = self.cloud.client("iam"), self._role(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
