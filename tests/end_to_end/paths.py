"""The smallest things that the stack does."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from infra.local.cloud import LocalCloud
from infra.local.emr.node import Node
from lambdas.cli.submission import Submitted, manifest_for, upload_manifest
from lambdas.contract import layout
from lambdas.contract.run import CLUSTER_PREFIX, LEDGER_TAG, RUN_TAG, RunState

WAIT_SECONDS = 20.0

NOT_OFFERED = "m5a.xlarge"
SOME_NOT_OFFERED = {"instance_types": [NOT_OFFERED, "m5.xlarge"]}


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
        ended = answer is not None and answer["state"] == RunState.FAILED
        return ended and self._has_status(run) and self._is_well(run)

    def dispatch(self) -> bool:
        """A run that had to wait is launched when its turn comes."""
        run = self._upload(self._name())
        self._pause(paused=True)
        waits = self._launched(run) == "queued"
        self._pause(paused=False)
        started = waits and self._reconciled() and self._state(run) == RunState.LAUNCHED
        return started and self._is_well(run)

    def dispatch_older(self) -> bool:
        """The same for a run whose plan an older release made: which cluster it wants, the manifest says."""
        run = self._upload(self._name())
        self._pause(paused=True)
        waits = self._launched(run) == "queued"
        self._pause(paused=False)
        s3, plan = self.cloud.client("s3"), layout.RunLayout(run.dataset, run.run_id).plan
        body = json.load(s3.get_object(Bucket=self.cloud.bucket, Key=plan)["Body"])
        del body["cluster"]
        s3.put_object(Bucket=self.cloud.bucket, Key=plan, Body=json.dumps(body).encode())
        return waits and self._reconciled() and self._state(run) == RunState.LAUNCHED

    def catch_up(self) -> bool:
        """The end of a cluster that nobody was told of is recorded and told after all."""
        run = self._upload(self._name())
        self._cluster_of(run)
        ended = self._reconciled() and self._state(run) == RunState.FAILED
        return ended and self._has_status(run) and self._is_well(run)

    def choose_machines(self) -> bool:
        """Of the types that a manifest names, those that EMR offers are asked for."""
        self._forget("launcher_function")
        return self._launched(self._upload(self._name(), cluster=SOME_NOT_OFFERED)) == "launched"

    def choose_machines_later(self) -> bool:
        """The same for a run that had to wait."""
        run = self._upload(self._name(), cluster=SOME_NOT_OFFERED)
        self._pause(paused=True)
        waits = self._launched(run) == "queued"
        self._pause(paused=False)
        self._forget("reconciler_function")
        return waits and self._reconciled() and self._state(run) == RunState.LAUNCHED

    def stop_a_stranger(self) -> bool:
        """A cluster of this stack that computes no run is stopped, protected or not."""
        tags = {LEDGER_TAG: self.cloud.outputs["ledger_table"], RUN_TAG: self._name()}
        cluster = self.cloud.client("emr").run_job_flow(
            Name=f"{CLUSTER_PREFIX}{tags[RUN_TAG]}",
            Instances={"KeepJobFlowAliveWhenNoSteps": True, "TerminationProtected": True},
            JobFlowRole=self._setting("INSTANCE_PROFILE_ARN"),
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )["JobFlowId"]
        answer = self._invoke("reconciler_function", {})
        stopped = answer is not None and "StopOrphan" in answer["repaired"]
        if not stopped:
            self.cloud.client("emr").set_termination_protection(
                JobFlowIds=[cluster], TerminationProtected=False
            )
            self.cloud.client("emr").terminate_job_flows(JobFlowIds=[cluster])
        return self._end_of(cluster) == "TERMINATED" and stopped

    def act_as_a_node(self) -> bool:
        """With a node's credentials: fetch what is needed, list, write results and logs, unlock a disk."""
        environment, root = self.cloud.environment, self.cloud.client
        profile = self._setting("INSTANCE_PROFILE_ARN")
        credentials = Node(environment, root("iam"), root("sts"), profile, {}, slots=1).credentials()
        s3, kms = (self.cloud.client(service, **credentials) for service in ("s3", "kms"))
        bucket, key_id = self.cloud.bucket, self._key("nodes")
        try:
            (image,) = s3.list_objects_v2(Bucket=bucket, Prefix=f"{layout.IMAGES}grants/")["Contents"]
            s3.get_object(Bucket=bucket, Key=image["Key"])["Body"].close()
            for prefix in (layout.FEATURES, layout.LOGS):
                s3.put_object(Bucket=bucket, Key=f"{prefix}grants/1", Body=b"x")
            kms.decrypt(
                CiphertextBlob=kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")["CiphertextBlob"]
            )
        except ClientError:
            return False
        return True

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """There is an image, and no event runs the Lambdas by itself."""
        s3, events, bucket = self.cloud.client("s3"), self.cloud.client("events"), self.cloud.bucket
        s3.put_object(Bucket=bucket, Key="images/grants/1.jpg", Body=b"x")
        told = s3.get_bucket_notification_configuration(Bucket=bucket)
        del told["ResponseMetadata"]
        rules = [rule["Name"] for rule in events.list_rules()["Rules"]]
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        for rule in rules:
            events.disable_rule(Name=rule)
        yield
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
        for rule in rules:
            events.enable_rule(Name=rule)

    def settle(self) -> None:
        """Leave the reconciler nothing to do that other paths have left it."""
        self._pause(paused=False)
        assert self._reconciled()

    def _name(self) -> str:
        return f"grants-{next(self._numbers)}"

    def _upload(self, name: str, **changes: Any) -> Submitted:
        manifest = manifest_for(self.cloud.bucket, "grants", notify=True, **changes)
        return upload_manifest(self.cloud.client("s3"), self.cloud.bucket, name, manifest)

    def _launched(self, run: Submitted) -> str | None:
        answer = self._invoke("launcher_function", s3_event(self.cloud.bucket, run))
        return str(answer[0]["outcome"]) if answer else None

    def _reconciled(self) -> bool:
        return self._invoke("reconciler_function", {}) is not None

    def _pause(self, *, paused: bool) -> None:
        self.cloud.client("dynamodb").update_item(
            TableName=self.cloud.outputs["ledger_table"],
            Key={"run_id": {"S": "#admissions"}},
            UpdateExpression="SET paused = :p",
            ExpressionAttributeValues={":p": {"BOOL": paused}},
        )

    def _invoke(self, function: str, event: dict[str, Any]) -> Any:
        """What the function answers; None when it raised."""
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.cloud.outputs[function], Payload=json.dumps(event).encode()
        )
        return None if "FunctionError" in answer else json.load(answer["Payload"])

    def _forget(self, function: str) -> None:
        """The function's processes end, with all that they remember."""
        api, name = self.cloud.client("lambda"), self.cloud.outputs[function]
        size = api.get_function_configuration(FunctionName=name)["MemorySize"]
        api.update_function_configuration(FunctionName=name, MemorySize=size)

    def _record(self, run: Submitted) -> dict[str, Any]:
        item = self.cloud.client("dynamodb").get_item(
            TableName=self.cloud.outputs["ledger_table"], Key={"run_id": {"S": run.run_id}}
        )
        return dict(item["Item"])

    def _state(self, run: Submitted) -> str:
        return str(self._record(run)["state"]["S"])

    def _is_well(self, run: Submitted) -> bool:
        """Whether nothing went wrong with it, and all is told that is to be told."""
        record = self._record(run)
        return "setback" not in record and not record["untold"]["L"]

    def _cluster_of(self, run: Submitted) -> str:
        assert self._launched(run) == "launched"
        cluster = str(self._record(run)["cluster_id"]["S"])
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
        return next(str(a["TargetKeyId"]) for a in aliases if f"-{purpose}-" in a["AliasName"])

    def _setting(self, name: str) -> str:
        launcher = self.cloud.outputs["launcher_function"]
        described = self.cloud.client("lambda").get_function_configuration(FunctionName=launcher)
        return str(described["Environment"]["Variables"][f"FRUITS_{name}"])


def s3_event(bucket: str, run: Submitted) -> dict[str, Any]:
    """The event that S3 sends: the key is form-URL-encoded."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-west-1",
                "eventTime": "2026-01-01T00:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "user"},
                "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                "responseElements": {"x-amz-request-id": "1", "x-amz-id-2": "2"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "manifests",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": "o"},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {
                        "key": urllib.parse.quote_plus(run.key),
                        "size": 1,
                        "eTag": "0" * 32,
                        "versionId": run.version_id,
                        "sequencer": "0055AED6DCD90281E5",
                    },
                },
            }
        ]
    }
