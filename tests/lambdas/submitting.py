"""A folder of photos, and a person who submits it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .deployed import Deployed

PHOTOS = 8
PREFIX = "images/apples/"
NOBODY = 65534


def write(folder: Path, *names: str) -> Path:
    """Files of these names, which are also what they hold."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode(errors="replace"))
    return folder


@pytest.fixture
def bucket(deployed: Deployed) -> str:
    """Versioned, as the stack's is."""
    deployed.s3.put_bucket_versioning(Bucket=deployed.bucket, VersioningConfiguration={"Status": "Enabled"})
    return deployed.bucket


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write(tmp_path / "photos", *(f"class {number % 3}/{number}.jpg" for number in range(PHOTOS)))


@pytest.fixture
def without_privileges() -> Iterator[None]:
    """Root may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Below one that everybody may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def submitted(deployed: Deployed, folder: Path, *more: str) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the documents, and what was said beside them."""
    code, out, said = deployed.run("submit", str(folder), "--dataset", "apples", "--yes", "--json", *more)
    return code, [json.loads(line) for line in out.splitlines()], said


def said_by(deployed: Deployed, *arguments: str) -> tuple[int, str]:
    code, out, complained = deployed.run("submit", *arguments)
    return code, out + complained


def versions(deployed: Deployed, prefix: str = PREFIX) -> dict[str, int]:
    """How often each object was written."""
    counts: dict[str, int] = {}
    for page in deployed.s3.get_paginator("list_object_versions").paginate(
        Bucket=deployed.bucket, Prefix=prefix
    ):
        for version in page.get("Versions", ()):
            counts[version["Key"]] = counts.get(version["Key"], 0) + 1
    return counts
