"""Weights in Keras' cache and downloads: whole, and those that are pinned, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spark.features import package_model as package_model_module
from spark.features import weights as weights_module
from spark.features.package_model import package_model
from spark.features.weights import (
    HDF5_SIGNATURE,
    KERAS_FILE,
    Pin,
    Weights,
    WeightsError,
    cached_weights,
    download_weights,
    keep,
    md5,
    sha256,
)
from tests.spark.s3_endpoint import answering
from tests.spark.test_model_packaging import NOWHERE, environment

WHOLE = HDF5_SIGNATURE + bytes(100)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras' file is a small one."""
    monkeypatch.setattr(weights_module, "KERAS_BYTES", len(WHOLE))


def in_cache(home: Path, content: bytes) -> Path:
    (home / "models").mkdir(exist_ok=True)
    (home / "models" / KERAS_FILE).write_bytes(content)
    return home / "models" / KERAS_FILE


@pytest.fixture
def server() -> Iterator[Downloads]:
    downloads = Downloads()
    with answering(downloads):
        yield downloads


class Downloads(ThreadingHTTPServer):
    """Answers with ``content``, and says that it has ``length`` bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.content, self.length = WHOLE, len(WHOLE)
        self.hashes: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{KERAS_FILE}"


class _Answer(BaseHTTPRequestHandler):
    server: Downloads

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.length))
        for value in self.server.hashes:
            self.send_header("x-goog-hash", value)
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.usefixtures("small")
def test_keras_cache_is_used_and_called_imagenet(tmp_path: Path) -> None:
    in_cache(tmp_path, WHOLE)
    assert cached_weights(environment(tmp_path)) == Weights("imagenet", WHOLE, ".h5")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("content", [b"", WHOLE[:50], WHOLE + b"more", b"PK" + WHOLE[2:]])
def test_half_a_download_or_another_file_in_keras_cache_is_told_and_not_called_imagenet(
    content: bytes, tmp_path: Path
) -> None:
    path = in_cache(tmp_path, content)
    with pytest.raises(
        WeightsError, match=r"Remove it, so that it is downloaded again.*WEIGHTS=FILE"
    ) as told:
        cached_weights(environment(tmp_path))
    assert str(path) in str(told.value)


@pytest.mark.usefixtures("small")
def test_a_download_is_kept_whole_and_nothing_beside_it_but_its_hash(
    server: Downloads, tmp_path: Path
) -> None:
    downloaded = download_weights(server.url, None)
    assert downloaded is not None
    keep(downloaded, environment(tmp_path))
    assert downloaded == cached_weights(environment(tmp_path)) == Weights("imagenet", WHOLE, ".h5")
    assert {path.name for path in (tmp_path / "models").iterdir()} == {KERAS_FILE, f"{KERAS_FILE}.sha256"}


@pytest.mark.usefixtures("small")
def test_the_first_download_pins_what_lies_there_later_and_what_is_downloaded_again(
    server: Downloads, tmp_path: Path
) -> None:
    home, changed = environment(tmp_path), WHOLE[:-1] + b"?"
    keep(Weights("imagenet", WHOLE, ".h5"), home)
    in_cache(tmp_path, changed)
    told = rf"{KERAS_FILE} have the sha256 \w+, and .*{KERAS_FILE}\.sha256 says {sha256(WHOLE)}"
    with pytest.raises(WeightsError, match=told):
        package_model(tmp_path / "out", None, home, allow_untrained=True, url=NOWHERE)
    (tmp_path / "models" / KERAS_FILE).unlink()
    server.content = changed
    with pytest.raises(WeightsError, match=rf"http://.* have the .*sha256 says {sha256(WHOLE)}"):
        package_model(tmp_path / "out", None, home, allow_untrained=True, url=server.url)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("content", "length"), [(WHOLE[:50], len(WHOLE)), (WHOLE[:50], 50), (WHOLE + b"more", len(WHOLE) + 4)]
)
def test_a_download_that_breaks_off_or_is_another_file_is_told_and_leaves_nothing(
    content: bytes, length: int, server: Downloads, tmp_path: Path
) -> None:
    server.content, server.length = content, length
    with pytest.raises(WeightsError, match=r"is broken: \d+ bytes came, 108 were expected.*try again"):
        package_model(tmp_path / "out", None, environment(tmp_path), allow_untrained=True, url=server.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("hashes", [("crc32c=AAAAAA==", "md5=wrong+/=="), ("crc32c=AAAAAA==,md5=wrong+/==",)])
def test_a_download_that_is_not_what_its_server_says_is_told_and_leaves_nothing(
    hashes: tuple[str, ...], server: Downloads, tmp_path: Path
) -> None:
    server.hashes = hashes
    with pytest.raises(WeightsError, match=r"the server says wrong\+/==\. Nothing was kept: try again"):
        package_model(tmp_path / "out", None, environment(tmp_path), allow_untrained=True, url=server.url)
    assert list(tmp_path.iterdir()) == []
    server.hashes = (f"md5={md5(WHOLE)}",)
    assert download_weights(server.url, None) is not None


@pytest.mark.usefixtures("small")
def test_a_download_of_the_right_size_that_is_no_network_is_not_kept(
    server: Downloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converted(weights: Weights) -> bytes:
        raise WeightsError(f"the weights {weights.origin} do not fit MobileNetV2")

    monkeypatch.setattr(package_model_module, "convert", converted)
    with pytest.raises(WeightsError, match="do not fit"):
        package_model(tmp_path / "out", None, environment(tmp_path), allow_untrained=True, url=server.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("where", ["given", "cached", "downloaded"])
def test_weights_that_are_not_those_that_are_pinned_are_refused_with_both_hashes(
    where: str, server: Downloads, tmp_path: Path
) -> None:
    path = in_cache(tmp_path, WHOLE) if where != "downloaded" else None
    environ = environment(tmp_path) | {"WEIGHTS_SHA256": "ab" * 32}
    given = path if where == "given" else None
    with pytest.raises(WeightsError) as told:
        package_model(tmp_path / "out", given, environ, allow_untrained=True, url=server.url)
    for part in (hashlib.sha256(WHOLE).hexdigest(), "ab" * 32, server.url if path is None else str(path)):
        assert part in str(told.value)
    assert (tmp_path / "models").exists() is (where != "downloaded")


@pytest.mark.usefixtures("small")
def test_pinned_weights_are_taken_when_they_come(server: Downloads) -> None:
    pinned = hashlib.sha256(WHOLE).hexdigest()
    assert download_weights(server.url, Pin(pinned, "somebody")) == Weights("imagenet", WHOLE, ".h5")


def test_where_weights_are_pinned_untrained_ones_will_not_do(tmp_path: Path) -> None:
    environ = environment(tmp_path) | {"WEIGHTS_SHA256": "ab" * 32}
    with pytest.raises(WeightsError, match="no weights for MobileNetV2"):
        package_model(tmp_path / "out", None, environ, allow_untrained=True, url=NOWHERE)
