"""The provider as a plugin of Pulumi's engine: the same kinds, served over gRPC.

The engine starts `python -m infra.local.provider.plugin` through the script that
:mod:`infra.local.engine.home` writes, reads a port from its output, and asks there. Source of the protocol:
Pulumi's provider.proto.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import grpc
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from infra.local.ministack import client
from infra.local.provider.account import Account
from infra.local.provider.kinds import UnknownResourceTypeError, kind_of
from infra.local.provider.resource import DEFAULTS, Aws, Found, Inputs, Kind, is_missing, same

WORKERS = 16
PARENT_CHECK_SECONDS = 1.0
NO_LOCAL_CLOUD = (
    "this is the local cloud's AWS provider, and AWS_ENDPOINT_URL names no local cloud: run `make local`, "
    "then `source .local/cloud/env.sh` in this shell"
)
_LOCAL = frozenset({"localhost", "127.0.0.1"})
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """One configured provider. Methods are named as gRPC calls them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._endpoint = environment.get("AWS_ENDPOINT_URL", "")
        self._account = Account(lambda service: client(service, environment))
        self._aws: Aws | None = None

    def GetPluginInfo(self, _request: Empty, _context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=version("pulumi-aws"))

    def CheckConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        if urlsplit(self._endpoint).hostname not in _LOCAL:
            return provider_pb2.CheckResponse(failures=[provider_pb2.CheckFailure(reason=NO_LOCAL_CLOUD)])
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        old, new = _values(request.olds), _values(request.news)
        return _difference(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key)), [])

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            self._aws = self._account.configured(_values(request.args))
        except (NoConnectionError, HTTPClientError) as error:
            gone = f"{self._endpoint} does not answer ({error}); is `make local` still running?"
            context.abort(grpc.StatusCode.UNAVAILABLE, gone)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = _done(context, lambda _: self._account.call(request.tok, _values(request.args)), self._aws)
        response = provider_pb2.InvokeResponse()
        # A keyword of Python, so no argument.
        getattr(response, "return").CopyFrom(_struct(answer))
        return response

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        token, name = _urn(request.urn)
        kind = self._kind(token, name, context)
        inputs = kind.check(name, _values(request.news), _values(request.olds), request.randomSeed)
        return provider_pb2.CheckResponse(inputs=_struct(inputs))

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind = self._kind(*_urn(request.urn), context)
        old, new = _values(request.old_inputs), _values(request.news)
        ignored = set(request.ignoreChanges)
        changed, replacing = ([key for key in keys if key not in ignored] for keys in kind.changes(old, new))
        # Two things of one given name cannot be there at once, as the real provider knows too.
        given_name = kind.named is not None and kind.named not in new.get(DEFAULTS, ())
        return _difference(changed, replacing, delete_first=given_name)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        token, name = _urn(request.urn)
        inputs = _values(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        kind = self._kind(token, name, context)
        created = _done(context, lambda aws: kind.create(aws, name, inputs), self._aws)
        return provider_pb2.CreateResponse(id=created.id, properties=_struct({**inputs, **created.outputs}))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind = self._kind(*_urn(request.urn), context)
        known, inputs = _values(request.properties), _values(request.inputs)
        found = _done(context, lambda aws: _found(kind, aws, request.id, known), self._aws)
        if found is None:
            return provider_pb2.ReadResponse()
        now = _refreshed(inputs, found.inputs)
        properties = _struct({**known, **now, **found.outputs})
        return provider_pb2.ReadResponse(id=request.id, inputs=_struct(now), properties=properties)

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind = self._kind(*_urn(request.urn), context)
        olds, old, new = _values(request.olds), _values(request.old_inputs), _values(request.news)
        kept = {key: value for key, value in olds.items() if key not in old}
        outputs: Mapping[str, Any] = {}
        if not request.preview:
            update = kind.update
            assert update is not None, "Diff replaces what cannot be updated"  # noqa: S101  # the engine's order
            outputs = _done(context, lambda aws: update(aws, request.id, old, new), self._aws)
        return provider_pb2.UpdateResponse(properties=_struct({**kept, **new, **outputs}))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind = self._kind(*_urn(request.urn), context)
        known = _values(request.properties)
        _done(context, lambda aws: _unless_gone(lambda: kind.delete(aws, request.id, known)), self._aws)
        return Empty()

    def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        # What has begun ends by itself within seconds, and is recorded.
        return Empty()

    def _kind(self, token: str, name: str, context: Any) -> Kind:
        try:
            return kind_of(token, name)
        except UnknownResourceTypeError as error:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
            raise


def _done(context: Any, action: Callable[[Aws], Any], aws: Aws | None) -> Any:
    """What the action answers; what AWS refuses becomes the message of the call."""
    try:
        assert aws is not None, "the engine configures before it asks"  # noqa: S101
        return action(aws)
    except (ClientError, BotoCoreError, UnknownResourceTypeError) as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
        raise


def _unless_gone(action: Callable[[], Any]) -> Any:
    """What the action answers, or None where AWS says that there is no such thing."""
    try:
        return action()
    except ClientError as error:
        if not is_missing(error):
            raise
        return None


def _found(kind: Kind, aws: Aws, id_: str, known: Inputs) -> Found | None:
    found: Found | None = _unless_gone(lambda: kind.read(aws, id_, known))
    return found


def _refreshed(known: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What is known, with what AWS has now: in AWS' words only where they mean something else."""
    changed = {key: value for key, value in found.items() if not same(known.get(key), value)}
    return {key: value for key, value in {**known, **changed}.items() if value is not None}


def _difference(changed: list[str], replacing: list[str], *, delete_first: bool = False) -> Any:
    some = provider_pb2.DiffResponse.DIFF_SOME
    return provider_pb2.DiffResponse(
        changes=some if changed else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=changed,
        replaces=replacing,
        deleteBeforeReplace=bool(replacing) and delete_first,
    )


def _urn(urn: str) -> tuple[str, str]:
    """Type token and logical name: ``urn:pulumi:<stack>::<project>::<parents>$<type>::<name>``."""
    _, _, types, name = urn.split("::", 3)
    return types.rsplit("$", 1)[-1], name


def _values(struct: Struct) -> dict[str, Any]:
    """The set properties of a message."""
    return {key: value for key, value in MessageToDict(struct).items() if value is not None}


def _struct(values: Mapping[str, Any]) -> Struct:
    return ParseDict(dict(values), Struct())


def serve(environment: Mapping[str, str]) -> None:
    """Serve until the engine that started this process is gone."""
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=_UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Plugin(environment), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    server.wait_for_termination()


def _end_with_parent(parent: int) -> None:
    """An engine that was killed says nothing."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    serve(os.environ)
