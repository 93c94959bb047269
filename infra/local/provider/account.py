"""The local account as the provider sees it: thread-safe clients, its identity, and the default tags."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.provider.kinds import UnknownResourceTypeError
from infra.local.provider.resource import Aws, Inputs

CALLER_IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"
OBJECT = "aws:s3/getObject:getObject"
OBJECTS = "aws:s3/getObjects:getObjects"


class Account:
    """``client`` gives an administrator's boto3 client by service name."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        # boto3 clients may be shared between threads, but not made by several at once.
        self._make_client = client
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """The one client of a service."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make_client(service)
            return self._clients[service]

    def call(self, token: str, inputs: Inputs) -> dict[str, Any]:
        """What a function of the provider answers.

        Raises:
            UnknownResourceTypeError: nothing here knows the function.
        """
        if token == CALLER_IDENTITY:
            caller = self.client("sts").get_caller_identity()
            account, arn, user = caller["Account"], caller["Arn"], caller["UserId"]
            return {"accountId": account, "arn": arn, "userId": user, "id": account}
        if token == OBJECT:
            bucket, key = inputs["bucket"], inputs["key"]
            body = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            return {"bucket": bucket, "key": key, "id": f"{bucket}/{key}", "body": body.decode()}
        if token == OBJECTS:
            bucket, prefix = inputs["bucket"], inputs["prefix"]
            listed = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
            keys = [item["Key"] for item in listed.get("Contents", ())]
            return {"bucket": bucket, "prefix": prefix, "id": bucket, "keys": keys}
        raise UnknownResourceTypeError(token, "invoke")

    def configured(self, provider: Inputs) -> Aws:
        """Where resources are created, by the inputs of the program's provider."""
        # Properties of providers cross the SDK's wire as JSON text.
        tags: Mapping[str, str] = json.loads(provider.get("defaultTags", "{}")).get("tags", {})
        account = self.call(CALLER_IDENTITY, {})["accountId"]
        return Aws(self.client, account, provider["region"], tags)
