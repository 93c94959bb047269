"""A manifest in the data bucket, which is all that it takes to start a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.aws.uploads import S3Uploads
from lambdas.cli.photo_folder import PhotoFolder
from lambdas.contract import s3uri
from lambdas.contract.layout import IMAGES, MANIFEST_SUFFIX, MANIFESTS
from lambdas.contract.manifest.schema import Images
from lambdas.contract.run import run_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Submitted:
    """A manifest version that lies in the bucket, and the run that it asks for."""

    dataset: str
    key: str
    version_id: str
    run_id: str


def manifest_for(bucket: str, dataset: str, **fields: Any) -> dict[str, Any]:
    """The smallest manifest for images that were uploaded by convention; ``fields`` add to it."""
    prefix = f"{s3uri.SCHEME}{bucket}/{IMAGES}{dataset}/"
    return {"version": 1, "dataset": dataset, "images": {"prefixes": [prefix]}, **fields}


def manifest_of(found: PhotoFolder, bucket: str, dataset: str) -> dict[str, Any]:
    """The manifest for a folder's photos, with their suffixes where those that are taken by default would
    leave some out."""
    manifest = manifest_for(bucket, dataset)
    taken = Images.model_fields["suffixes"].default
    if more := [suffix for suffix in found.suffixes if suffix not in taken]:
        manifest["images"]["suffixes"] = [*taken, *more]
    return manifest


def upload_manifest(s3: S3Client, bucket: str, name: str, manifest: Mapping[str, Any]) -> Submitted:
    """Upload a manifest; this is all it takes to start a run."""
    body = json.dumps(manifest, indent=2).encode()
    return ask_for_run(S3Uploads(s3, bucket), bucket, name, str(manifest["dataset"]), body)


def ask_for_run(uploads: S3Uploads, bucket: str, name: str, dataset: str, body: bytes) -> Submitted:
    """Upload a manifest as it is given; ``name`` is what its key is made of."""
    key = f"{MANIFESTS}{name}{MANIFEST_SUFFIX}"
    version = uploads.send_manifest(key, body)
    return Submitted(dataset, key, version, run_id(dataset, bucket, key, version))
