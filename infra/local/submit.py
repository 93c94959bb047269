"""Put a person's images and a manifest into the data bucket, as that person would."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdas.contract import layout
from lambdas.contract.run import run_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
UPLOAD_THREADS = 8


class NoImagesError(ValueError):
    """The folder that a person named cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Submitted:
    """A manifest version that lies in the bucket, and the run that it asks for."""

    dataset: str
    key: str
    version_id: str
    run_id: str


def find_images(folder: Path) -> list[Path]:
    """Every image file below ``folder``, sorted.

    Raises:
        NoImagesError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise NoImagesError(
            f"{folder} is not a folder. Name one that holds a folder of images for each class."
        )
    images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise NoImagesError(
            f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)}). "
            "Name a folder that holds a folder of images for each class."
        )
    return images


def dataset_name(folder: Path) -> str:
    """A valid dataset name made of a folder's name: ``Fruits 360/Test`` -> ``test``."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name[:40] or "images"


def upload_images(
    s3: S3Client, bucket: str, prefix: str, folder: Path, images: list[Path], on_uploaded: Callable[[], None]
) -> None:
    """Upload ``images`` below ``prefix``, under their paths relative to ``folder``."""

    def upload(path: Path) -> None:
        s3.put_object(
            Bucket=bucket, Key=f"{prefix}{path.relative_to(folder).as_posix()}", Body=path.read_bytes()
        )
        on_uploaded()

    with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        list(pool.map(upload, images))


def manifest_for(bucket: str, dataset: str, **fields: Any) -> dict[str, Any]:
    """The smallest manifest for images that were uploaded by convention; ``fields`` add to it."""
    prefix = f"s3://{bucket}/{layout.IMAGES}{dataset}/"
    return {"version": 1, "dataset": dataset, "images": {"prefixes": [prefix]}, **fields}


def upload_manifest(s3: S3Client, bucket: str, name: str, manifest: dict[str, Any]) -> Submitted:
    """Upload a manifest; this is all it takes to start a run."""
    key = f"{layout.MANIFESTS}{name}{layout.MANIFEST_SUFFIX}"
    answer = s3.put_object(
        Bucket=bucket, Key=key, Body=json.dumps(manifest, indent=2).encode(), ContentType="application/json"
    )
    version, dataset = answer["VersionId"], str(manifest["dataset"])
    return Submitted(dataset, key, version, run_id(dataset, bucket, key, version))
