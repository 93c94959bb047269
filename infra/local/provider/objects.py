"""S3: objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, path_of, reported

USUAL_TYPE = "application/octet-stream"
"""Of an object that was put without one, in MiniStack; AWS calls it ``binary/octet-stream``."""


def _put(aws: Aws, inputs: Inputs) -> dict[str, Any]:
    content = inputs.get("content")
    body = Path(path_of(inputs["source"])).read_bytes() if content is None else content.encode()
    kind = {"ContentType": inputs["contentType"]} if "contentType" in inputs else {}
    stored = aws.client("s3").put_object(Bucket=inputs["bucket"], Key=inputs["key"], Body=body, **kind)
    return {"versionId": stored.get("VersionId", ""), "etag": stored["ETag"].strip('"')}


def _create(aws: Aws, _name: str, inputs: Inputs) -> Created:
    return Created(inputs["key"], _put(aws, inputs))


def _read(aws: Aws, key: str, known: Inputs) -> Found:
    found = aws.client("s3").head_object(Bucket=known["bucket"], Key=key)
    outputs = {"versionId": found.get("VersionId", ""), "etag": found["ETag"].strip('"')}
    inputs = {"bucket": known["bucket"], "key": key, "contentType": found["ContentType"]}
    return Found(reported(inputs, known, {"contentType": USUAL_TYPE}), outputs)


def _update(aws: Aws, _key: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    return _put(aws, new)


def _delete(aws: Aws, key: str, known: Inputs) -> None:
    aws.client("s3").delete_object(Bucket=known["bucket"], Key=key)


KINDS: dict[str, Kind] = {
    "aws:s3/bucketObjectv2:BucketObjectv2": Kind(
        _create, _read, _delete, _update, fixed=frozenset({"bucket", "key"})
    ),
}
