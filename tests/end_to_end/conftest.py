"""One local cloud for all tests of this folder: the real zips, the real program, real steps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.cloud import LocalCloud
from infra.local.demo import BUILD, package
from infra.local.sample_images import write_sample_images
from infra.local.submit import Submitted, find_images, manifest_for, upload_images, upload_manifest
from infra.local.watch import Snapshot, follow
from lambdas.contract import layout

RUN_TIMEOUT_SECONDS = 600.0


@pytest.fixture(scope="session")
def packaged() -> None:
    package(os.environ.get("WEIGHTS"))


@pytest.fixture(scope="session")
def cloud(packaged: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(tmp_path_factory.mktemp("cloud"), build=BUILD) as running:
        yield running


class User:
    """What a person does: upload images, upload a manifest, wait."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.bucket = cloud.bucket
        self.s3 = cloud.client("s3")
        self.emr = cloud.client("emr")

    def uploads_images(self, folder: Path, dataset: str) -> int:
        images = find_images(folder)
        upload_images(
            self.s3, self.bucket, f"{layout.IMAGES}{dataset}/", folder, images, on_uploaded=lambda: None
        )
        return len(images)

    def uploads_manifest(self, dataset: str, **fields: Any) -> Submitted:
        return upload_manifest(self.s3, self.bucket, dataset, manifest_for(self.bucket, dataset, **fields))

    def uploads_text(self, name: str, body: bytes) -> Submitted:
        key = f"{layout.MANIFESTS}{name}.json"
        version = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)["VersionId"]
        return Submitted("unknown", key, version, "unknown")

    def waits_for(self, run: Submitted) -> Snapshot:
        *_, last = follow(self.s3, self.emr, self.bucket, run, RUN_TIMEOUT_SECONDS)
        return last

    def clusters(self) -> list[dict[str, Any]]:
        return [c for page in self.emr.get_paginator("list_clusters").paginate() for c in page["Clusters"]]


@pytest.fixture
def user(cloud: LocalCloud) -> User:
    return User(cloud)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample_images(folder)
    return folder
