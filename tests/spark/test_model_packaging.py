from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spark.features.package_model import UNTRAINED, ModelPackage, main, package_model, read_package
from spark.features.weights import HDF5_SIGNATURE, WeightsError, read_weights
from tests.spark.conftest import REPOSITORY

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
    # The graph is garbage only when the process ends; looking for some takes a tenth of its time.
    code = "import gc, sys; from spark.features.package_model import main; gc.disable(); "
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
