"""AWS JSON 1.1 for EMR: requests are checked, and answers written, by botocore's own service model.

So the endpoint accepts exactly what the SDKs may send, and cannot answer with what they do not know.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.loaders
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

TARGET_PREFIX = "ElasticMapReduce."
CONTENT_TYPE = "application/x-amz-json-1.1"


class EmrError(Exception):
    """An answer that the SDK raises as ``ClientError`` with this code and message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def to_json(self) -> bytes:
        return json.dumps({"__type": self.code, "message": str(self)}).encode()


def invalid_request(message: str) -> EmrError:
    """What EMR answers to requests that name something that is not there."""
    return EmrError("InvalidRequestException", message)


def validation_error(message: str) -> EmrError:
    """What EMR answers to requests that are wrong in themselves, or not possible now."""
    return EmrError("ValidationException", message)


@dataclass(frozen=True)
class Request:
    """An operation's name and its parameters, which satisfy the operation's model."""

    operation: str
    parameters: Mapping[str, Any]


@functools.cache
def service_model() -> ServiceModel:
    return ServiceModel(botocore.loaders.Loader().load_service_model("emr", "service-2"), "emr")


def parse_request(target: str, body: bytes) -> Request:
    """Read a request from its ``X-Amz-Target`` header and body.

    Raises:
        EmrError: the operation does not exist, or the body is not JSON or does not fit its model.
    """
    operation = target.removeprefix(TARGET_PREFIX)
    if not target.startswith(TARGET_PREFIX) or operation not in service_model().operation_names:
        raise EmrError("UnknownOperationException", f"EMR has no operation {target!r}")
    try:
        parameters = json.loads(body)
    except ValueError as error:
        raise EmrError("SerializationException", f"the request body is not JSON: {error}") from error
    shape = service_model().operation_model(operation).input_shape
    if shape is None:
        return Request(operation, {})
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise validation_error(report.generate_report())
    if faults := list(_enum_faults(shape, parameters, "")):
        raise validation_error("; ".join(faults))
    return Request(operation, parameters)


def answer(operation: str, result: Mapping[str, Any]) -> bytes:
    """Write an operation's result: members that are None are left out, datetimes become Unix seconds.

    Raises:
        KeyError: the result has a member that the operation's model does not have.
    """
    shape = service_model().operation_model(operation).output_shape
    return b"{}" if shape is None else json.dumps(_wire(shape, result)).encode()


def _wire(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        members = shape.members
        return {key: _wire(members[key], item) for key, item in value.items() if item is not None}
    if isinstance(shape, ListShape):
        return [_wire(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: _wire(shape.value, item) for key, item in value.items()}
    return value.timestamp() if isinstance(value, datetime) else value


def _enum_faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """botocore leaves enums to the service, so they are checked here."""
    if isinstance(shape, StructureShape):
        for key, item in value.items():
            yield from _enum_faults(shape.members[key], item, f"{path}.{key}" if path else key)
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value, start=1):
            yield from _enum_faults(shape.member, item, f"{path}.{number}.member")
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        allowed = ", ".join(shape.enum)
        yield (
            f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{allowed}]"
        )
