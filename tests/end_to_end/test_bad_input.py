"""A user's mistakes get an answer that names the field and the remedy, and launch nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infra.local.ministack import client

from .conftest import User


def refused(user: User, name: str, body: bytes) -> dict[str, Any]:
    before = len(user.clusters())
    snapshot = user.waits_for(user.uploads_text(name, body))
    assert snapshot.rejection is not None, snapshot
    assert len(user.clusters()) == before, "a refused manifest launched a cluster"
    return snapshot.rejection


def manifest(user: User, **changes: Any) -> bytes:
    base: dict[str, Any] = {
        "version": 1,
        "dataset": "bad",
        "images": {"prefixes": [f"s3://{user.bucket}/images/nothing-here/"]},
    }
    return json.dumps(base | changes).encode()


def test_a_manifest_that_is_not_json_is_told_where_it_breaks(user: User) -> None:
    (fault,) = refused(user, "not-json", b'{"version": 1,\n "dataset": fruits}')["faults"]
    assert "JSON" in fault["problem"]
    assert "line 2" in fault["problem"]


def test_an_unknown_key_is_answered_with_the_nearest_known_one(user: User) -> None:
    (fault,) = refused(user, "unknown-key", manifest(user, engin="fast"))["faults"]
    assert fault["path"] == "$.engin"
    assert fault["nearest"] == "engine"


def test_every_fault_of_a_manifest_is_reported_at_once(user: User) -> None:
    faults = refused(user, "two-faults", manifest(user, dataset=7, model={"image_size": "224"}))["faults"]
    assert {fault["path"] for fault in faults} == {"$.dataset", "$.model.image_size"}
    assert all(fault["remedy"] for fault in faults)


def test_a_manifest_without_images_is_told_what_is_missing(user: User) -> None:
    (fault,) = refused(user, "no-images-key", b'{"version": 1, "dataset": "bad"}')["faults"]
    assert fault["path"] == "$.images"


def test_a_prefix_without_images_is_refused(user: User) -> None:
    (fault,) = refused(user, "zero-images", manifest(user))["faults"]
    assert fault["path"] == "$.images.prefixes[0]"
    assert "no image" in fault["problem"].lower() or "nothing" in fault["problem"].lower()


def test_a_bucket_outside_the_eu_is_refused(user: User) -> None:
    american = client(
        "s3", {**user.cloud.environment, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    )
    american.create_bucket(Bucket="american-fruits")
    body = manifest(user, images={"prefixes": ["s3://american-fruits/images/"]})
    (fault,) = refused(user, "outside-eu", body)["faults"]
    assert "us-east-1" in fault["problem"]
    assert "eu-west-1" in fault["remedy"]


def test_a_bucket_that_does_not_exist_is_refused(user: User) -> None:
    body = manifest(user, images={"prefixes": ["s3://no-such-bucket-anywhere/images/"]})
    (fault,) = refused(user, "no-bucket", body)["faults"]
    assert fault["path"] == "$.images.prefixes[0]"
    assert "no-such-bucket-anywhere" in fault["problem"]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of pictures that phones and people really produce, and some that they should not."""
    whole = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(whole, "JPEG")
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(whole.getvalue())
    (folder / "also-good.jpg").write_bytes(whole.getvalue())
    (folder / "truncated.jpg").write_bytes(whole.getvalue()[:700])
    (folder / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (50, 50), "red").save(folder / "png-named.jpg", "PNG")
    Image.new("CMYK", (50, 50), (0, 200, 200, 0)).save(folder / "cmyk.jpg", "JPEG")
    Image.new("I;16", (50, 50), 40000).save(folder / "sixteen-bit.png")
    frames = [Image.new("L", (50, 50), shade) for shade in (0, 128, 255)]
    frames[0].save(folder / "animated.png", save_all=True, append_images=frames[1:])
    Image.new("RGB", (20_000, 40), "green").save(folder / "wide.jpg", "JPEG")
    Image.new("L", (20_000, 20_000)).save(folder / "bomb.png")
    return folder


def test_hostile_images_are_featurized_or_quarantined_with_a_reason_and_none_is_lost(
    user: User, hostile: Path
) -> None:
    count = user.uploads_images(hostile, "hostile")
    run = user.uploads_manifest(
        "hostile",
        model={"name": "mobilenet_v2", "image_size": 96},
        label="none",
        pca={"components": 2},
        limits={"max_quarantined_fraction": 0.5},
    )
    status = user.waits_for(run).status
    assert status is not None
    assert status["state"] == "COMPLETED", status
    assert status["images_in"] == count == status["images_featurized"] + status["images_quarantined"]
    assert status["quarantine_reasons"] == {"animated": 1, "corrupt": 1, "empty": 1, "too_large": 1}


def test_a_run_whose_every_image_is_broken_fails_and_says_so(user: User, tmp_path: Path) -> None:
    folder = tmp_path / "all-broken"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(b"no picture")
    user.uploads_images(folder, "all-broken")
    snapshot = user.waits_for(user.uploads_manifest("all-broken"))
    assert snapshot.status is not None
    assert snapshot.status["state"] == "FAILED"
    assert "unreadable_format 3" in snapshot.status["message"]
    assert "quarantine/all-broken/" in snapshot.status["remedy"]
    assert snapshot.cluster_state == "TERMINATED_WITH_ERRORS"
