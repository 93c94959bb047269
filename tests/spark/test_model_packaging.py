from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spark.features import package_model as package_model_module
from spark.features import weights as weights_module
from spark.features.package_model import UNTRAINED, ModelPackage, main, package_model, read_package
from spark.features.weights import (
    HDF5_SIGNATURE,
    KERAS_FILE,
    Weights,
    WeightsError,
    cached_weights,
    download_weights,
    keep,
    md5,
    read_weights,
)
from tests.spark.conftest import REPOSITORY
from tests.spark.s3_endpoint import answering

NOWHERE = "http://127.0.0.1:9/weights.h5"


def environment(keras_home: Path) -> dict[str, str]:
    return {"KERAS_HOME": str(keras_home)}


def test_weights_that_cannot_be_found_name_every_remedy(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        package_model(tmp_path, None, environment(tmp_path), allow_untrained=False, url=NOWHERE)
    cache = str(tmp_path / "models")
    for remedy in ("`make package WEIGHTS=FILE`", "(here: --weights)", cache, "--allow-untrained"):
        assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, "cannot read the weights .* No such file"), (b"PK zip", "is not an HDF5 file")],
)
def test_a_wrong_file_exits_with_two_and_a_sentence(
    content: bytes | None, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.h5"
    if content is not None:
        path.write_bytes(content)
    assert main(["--out", str(tmp_path / "out"), "--weights", str(path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(text, line)


@pytest.fixture(scope="module")
def packaged_again(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder in which one process, as TensorFlow takes seconds to start, has packaged first what is no
    MobileNetV2 in ``resnet`` and then the model's own weights in ``again``; and the lines that it wrote."""
    import h5py

    folder, package = tmp_path_factory.mktemp("packaged"), read_package(model_folder)
    assert package is not None
    with h5py.File(folder / "resnet.h5", "w") as file:
        file.attrs["layer_names"] = ["conv1"]
        file.create_group("conv1").attrs["weight_names"] = []
    weights = {"resnet": folder / "resnet.h5", "again": model_folder / package.weights_file}
    code = "import sys; from spark.features.package_model import main; "
    for name, file in weights.items():
        arguments = ["--out", str(folder / name), "--weights", str(file)]
        code += f"print({name!r}, main({arguments}), file=sys.stderr); "
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return folder, done.stderr.splitlines()


def test_weights_of_another_network_are_refused_by_name(packaged_again: tuple[Path, list[str]]) -> None:
    folder, said = packaged_again
    [error] = [line for line in said if line.startswith("error:")]
    assert "the weights resnet.h5 do not fit MobileNetV2" in error
    assert "resnet 2" in said
    assert not any("Traceback" in line for line in said)
    assert not (folder / "resnet").exists()


def test_the_same_weights_make_the_same_bytes_whatever_was_tried_before(
    packaged_again: tuple[Path, list[str]], model_folder: Path
) -> None:
    folder, said = packaged_again
    assert "again 0" in said
    package = read_package(model_folder)
    assert package is not None
    for name in (package.file, package.weights_file):
        assert (folder / "again" / name).read_bytes() == (model_folder / name).read_bytes()


WHOLE = HDF5_SIGNATURE + bytes(100)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras' file is a small one."""
    monkeypatch.setattr(weights_module, "KERAS_BYTES", len(WHOLE))


def in_cache(home: Path, content: bytes) -> Path:
    (home / "models").mkdir()
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
def test_a_download_is_kept_whole_and_nothing_beside_it(server: Downloads, tmp_path: Path) -> None:
    downloaded = download_weights(server.url, None)
    assert downloaded is not None
    keep(downloaded, environment(tmp_path))
    assert downloaded == cached_weights(environment(tmp_path)) == Weights("imagenet", WHOLE, ".h5")
    assert [path.name for path in (tmp_path / "models").iterdir()] == [KERAS_FILE]


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
    assert download_weights(server.url, pinned) == Weights("imagenet", WHOLE, ".h5")


def test_where_weights_are_pinned_untrained_ones_will_not_do(tmp_path: Path) -> None:
    environ = environment(tmp_path) | {"WEIGHTS_SHA256": "ab" * 32}
    with pytest.raises(WeightsError, match="no weights for MobileNetV2"):
        package_model(tmp_path / "out", None, environ, allow_untrained=True, url=NOWHERE)


def test_a_package_that_matches_is_left_alone_without_tensorflow(model_folder: Path) -> None:
    package = read_package(model_folder)
    assert package is not None
    code = "import sys; from spark.features.package_model import read_package; from pathlib import Path; "
    code += f"print(read_package(Path({str(model_folder)!r})).sha256, 'tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [package.sha256, "False"]
    weights = read_weights(model_folder / package.weights_file)
    assert package.file.startswith(f"mobilenet_v2-{package.sha256[:12]}")
    assert weights.data.startswith(HDF5_SIGNATURE)


@pytest.fixture
def untrained(tmp_path: Path) -> ModelPackage:
    """A package of (empty) files in ``tmp_path/out`` that calls itself untrained."""
    out = tmp_path / "out"
    out.mkdir()
    empty = hashlib.sha256(b"").hexdigest()
    package = ModelPackage("mobilenet_v2", "m.tflite", empty, UNTRAINED, "w.h5", empty)
    for name in (package.file, package.weights_file):
        (out / name).write_bytes(b"")
    (out / "model.json").write_text(package.to_json())
    return package


def test_an_untrained_package_is_kept_only_where_untrained_is_allowed(
    untrained: ModelPackage, tmp_path: Path
) -> None:
    out, home = tmp_path / "out", environment(tmp_path)
    assert package_model(out, None, home, allow_untrained=True, url=NOWHERE) == untrained
    with pytest.raises(WeightsError):
        package_model(out, None, home, allow_untrained=False, url=NOWHERE)


def test_a_damaged_package_does_not_count(tmp_path: Path) -> None:
    assert read_package(tmp_path) is None
    (tmp_path / "model.json").write_text('{"name": "mobilenet_v2"}')
    assert read_package(tmp_path) is None


def test_an_untrained_package_warns_unmissably(
    untrained: ModelPackage,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("WEIGHTS", raising=False)
    assert main(["--out", str(tmp_path / "out"), "--allow-untrained"]) == 0
    assert "WARNING: no trained weights were found" in capsys.readouterr().err
