"""Packages MobileNetV2: ``python -m spark.features.package_model --out build/model [--weights FILE]``.

Finds the weights, converts the network once to TensorFlow Lite, and writes both under names with their
hashes, next to ``model.json`` that describes them. A package that matches the request is left alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lambdas.contract.model_package import DESCRIPTION, UNTRAINED, ModelPackage
from lambdas.contract.whole_file import write_whole
from spark.features.weights import (
    KERAS_FILE,
    KERAS_URL,
    PIN,
    Weights,
    WeightsError,
    cache_file,
    cached_weights,
    download_weights,
    keep,
    pin,
    read_weights,
    require_pinned,
    sha256,
)

NAME = "mobilenet_v2"
IMAGE_SIZE = 224
"""The side at which the network is converted; the converted model is resized to any other at run time."""
SEED = 20_200_518
HASH_LENGTH = 12

UNTRAINED_WARNING = """
******************************************************************************
*  WARNING: no trained weights were found. The model is UNTRAINED: its       *
*  features are random projections, good for a demonstration and nothing     *
*  else. Every output says "weights": "untrained".                           *
*  For real features give a Keras .h5 file: WEIGHTS=<file> or --weights.     *
******************************************************************************
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Package the model; returns the exit code: 0, or 2 with a message when there are no usable weights."""
    parser = argparse.ArgumentParser(prog="python -m spark.features.package_model", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--weights", type=Path, help="Keras .h5 file without top (default: $WEIGHTS)")
    parser.add_argument("--allow-untrained", action="store_true", help="fall back to seeded random weights")
    options = parser.parse_args(arguments)
    given = options.weights or (Path(os.environ["WEIGHTS"]) if os.environ.get("WEIGHTS") else None)
    try:
        package = package_model(options.out, given, os.environ, allow_untrained=options.allow_untrained)
    except WeightsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if package.weights == UNTRAINED:
        sys.stderr.write(UNTRAINED_WARNING)
    sys.stdout.write(
        f"{options.out / package.file} (weights: {package.weights}, sha256 {package.weights_sha256})\n"
    )
    return 0


def package_model(
    out: Path,
    given: Path | None,
    environ: Mapping[str, str],
    *,
    allow_untrained: bool,
    url: str = KERAS_URL,
) -> ModelPackage:
    """Make ``out`` hold the package of the requested weights.

    The weights are those of the file ``given``, else Keras' cached ones, else downloaded ones, else,
    when allowed, seeded random ones. Where their hash is pinned (:func:`pin`), no others are taken.

    Raises:
        WeightsError: there are none, or not those that are pinned, or they are not this network's.
    """
    pinned = pin(environ, given)
    weights = read_weights(given) if given else cached_weights(environ)
    if weights is not None:
        require_pinned(weights.data, pinned, str(given or cache_file(environ)))
    existing = read_package(out)
    untrained_will_do = allow_untrained and not environ.get(PIN)
    if existing and _matches(existing, weights, allow_untrained=untrained_will_do):
        return existing
    downloaded = None if weights else download_weights(url, pinned)
    weights = weights or downloaded or (untrained_weights() if untrained_will_do else None)
    if weights is None:
        raise WeightsError(
            f"no weights for MobileNetV2: none given, none in {cache_file(environ)}, and none to be had from "
            f"{url}. Do one of: give a Keras .h5 file, `make package WEIGHTS=FILE` (here: --weights); "
            "put it at that cache path; try again with internet access; or, to try things, random features "
            "by `python -m spark.features.package_model --out build/model --allow-untrained`"
        )
    package = write_package(out, weights)
    if downloaded is not None:
        keep(downloaded, environ)
    return package


def untrained_weights() -> Weights:
    """Seeded random weights: the same bytes on every machine with the same Keras."""
    import keras

    keras.utils.set_random_seed(SEED)
    suffix = ".weights.h5"
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}{suffix}"
        _network(None).save_weights(path)
        return Weights(UNTRAINED, path.read_bytes(), suffix)


def read_package(out: Path) -> ModelPackage | None:
    """The package in ``out``; None when there is none, or its files are not those it describes."""
    try:
        package = ModelPackage.from_json((out / DESCRIPTION).read_bytes())
        hashes = [sha256((out / name).read_bytes()) for name in (package.file, package.weights_file)]
    except (OSError, ValueError, TypeError):
        return None
    return package if hashes == [package.sha256, package.weights_sha256] else None


def write_package(out: Path, weights: Weights) -> ModelPackage:
    """Convert and write; ``model.json`` last. Raises :class:`WeightsError` for another network's weights."""
    model = convert(weights)
    package = ModelPackage(
        name=NAME,
        file=f"{NAME}-{sha256(model)[:HASH_LENGTH]}.tflite",
        sha256=sha256(model),
        weights=weights.origin,
        weights_file=f"{NAME}-{sha256(weights.data)[:HASH_LENGTH]}{weights.suffix}",
        weights_sha256=sha256(weights.data),
    )
    write_whole(out / package.file, model)
    write_whole(out / package.weights_file, weights.data)
    write_whole(out / DESCRIPTION, package.to_json().encode())
    return package


def convert(weights: Weights) -> bytes:
    """The TensorFlow Lite model (fp32) of the network up to its global average pool."""
    import tensorflow as tf

    with TemporaryDirectory() as folder:
        path = Path(folder) / f"weights{weights.suffix}"
        path.write_bytes(weights.data)
        try:
            network = _network(path)
        except (ValueError, OSError, KeyError) as error:
            raise WeightsError(
                f"the weights {weights.origin} do not fit MobileNetV2 (alpha 1.0, without top): "
                f"{str(error).splitlines()[0]} Give a file such as Keras' {KERAS_FILE}"
            ) from error
    with redirect_stdout(StringIO()):  # Keras prints every variable of what it exports
        return bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


def _network(weights: Path | None) -> Any:
    import keras

    # The layers' names end up in the converted bytes, numbered by what this process built before.
    keras.backend.clear_session()
    return keras.applications.MobileNetV2(
        include_top=False,
        pooling="avg",
        weights=str(weights) if weights else None,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
    )


def _matches(existing: ModelPackage, weights: Weights | None, *, allow_untrained: bool) -> bool:
    """Whether a package is the one asked for. An untrained one is, when allowed and nothing better is at
    hand: remove the folder to try the download again."""
    if weights is None:
        return allow_untrained and existing.weights == UNTRAINED
    asked = (weights.origin, sha256(weights.data))
    return (existing.weights, existing.weights_sha256) == asked


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    sys.exit(main())
