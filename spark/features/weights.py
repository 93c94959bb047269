"""The network's weights: a person's file, Keras' cache or a download; and whether they are whole."""

from __future__ import annotations

import hashlib
import re
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from lambdas.contract.whole_file import write_whole

KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
KERAS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{KERAS_FILE}"
"""Where ``keras.applications.MobileNetV2(weights="imagenet")`` gets its weights."""
KERAS_BYTES = 9_406_464
"""The size of that file, which the server and Keras' progress bar tell. Keras itself pins nothing of it, and
nobody publishes its hash."""
PIN = "WEIGHTS_SHA256"
"""The environment's variable that pins the weights, whichever they are, by their SHA-256 in hex. Without it
the first download that became a model pins those that come later: its hash lies beside it in Keras' cache."""
DOWNLOAD_TIMEOUT_SECONDS = 10
_MD5 = re.compile(r"\bmd5=([\w+/=]+)")
"""In the header that Cloud Storage gives an object (its reference, "HTTP headers", x-goog-hash)."""
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class WeightsError(Exception):
    """The weights cannot be had or used. The text says which and what to do."""


class BrokenWeightsError(WeightsError):
    """What was downloaded, or kept of an earlier download, is not what it should be."""


@dataclass(frozen=True)
class Weights:
    """Weights that were found: what they are called, and the bytes of a Keras ``.h5`` file.
    ``suffix`` tells Keras the format: ``.weights.h5`` is its current one, ``.h5`` its older one."""

    origin: str
    data: bytes
    suffix: str


@dataclass(frozen=True)
class Pin:
    """The SHA-256, in hex, that weights have to have, and what says so."""

    sha256: str
    by: str


def read_weights(path: Path) -> Weights:
    """The weights in a file that a person names; raises :class:`WeightsError`."""
    data = _read(path)
    if not data.startswith(HDF5_SIGNATURE):
        raise WeightsError(f"{path} is not an HDF5 file. Give MobileNetV2 weights as Keras saves them (.h5)")
    return Weights(path.name, data, suffix_of(path.name))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"cannot read the weights {path}: {error.strerror}. Give the path of a Keras .h5 file"
        ) from error


def cache_file(environ: Mapping[str, str]) -> Path:
    """Where Keras keeps its ImageNet weights of this network."""
    home = environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models" / KERAS_FILE


def cached_weights(environ: Mapping[str, str]) -> Weights | None:
    """Keras' cached ImageNet weights, if there are any.

    Raises:
        BrokenWeightsError: another file lies there: half a download, or somebody's own weights.
    """
    path = cache_file(environ)
    if not path.is_file():
        return None
    data = _read(path)
    if len(data) != KERAS_BYTES or not data.startswith(HDF5_SIGNATURE):
        raise BrokenWeightsError(
            f"{path} is not the file that Keras keeps there: {len(data):,} bytes, not {KERAS_BYTES:,}. "
            "Remove it, so that it is downloaded again; your own are given by WEIGHTS=FILE (here: --weights)"
        )
    return Weights("imagenet", data, suffix_of(path.name))


def pin(environ: Mapping[str, str], given: Path | None) -> Pin | None:
    """What pins the weights of the file ``given``, or, where there is none, those of Keras."""
    if told := environ.get(PIN, "").lower():
        return Pin(told, PIN)
    first = _first_hash(environ)
    return Pin(first.read_text().strip(), str(first)) if given is None and first.is_file() else None


def _first_hash(environ: Mapping[str, str]) -> Path:
    return cache_file(environ).with_name(f"{KERAS_FILE}.sha256")


def download_weights(url: str, pinned: Pin | None) -> Weights | None:
    """Keras' ImageNet weights from ``url``; None when there is nothing of the kind. :func:`keep` them when
    they have turned out to be a network's.

    Raises:
        BrokenWeightsError: they broke off or were changed on the way, or are others than ``pinned``.
    """
    try:
        with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as answer:  # noqa: S310 (constant https)
            data: bytes = answer.read(KERAS_BYTES + 1)
            hashes = ",".join(answer.headers.get_all("x-goog-hash", []))
    except (OSError, HTTPException):  # URLError and time-outs alike
        return None
    if not data.startswith(HDF5_SIGNATURE):
        return None
    if len(data) != KERAS_BYTES:
        raise BrokenWeightsError(
            f"the download from {url} is broken: {len(data):,} bytes came, {KERAS_BYTES:,} were expected. "
            "Nothing was kept: try again, or give the file by WEIGHTS=FILE (here: --weights)"
        )
    if (told := _MD5.search(hashes)) and told[1] != md5(data):
        raise BrokenWeightsError(
            f"the download from {url} is broken: its md5 is {md5(data)} (base64), the server says {told[1]}. "
            "Nothing was kept: try again, or give the file by WEIGHTS=FILE (here: --weights)"
        )
    require_pinned(data, pinned, url)
    return Weights("imagenet", data, suffix_of(KERAS_FILE))


def keep(downloaded: Weights, environ: Mapping[str, str]) -> None:
    """Keep weights in Keras' cache, where there is room, and their hash for whatever comes later."""
    path = cache_file(environ)
    with suppress(OSError):  # a full or read-only disk: they are only kept to save the next download
        write_whole(path, downloaded.data)
        write_whole(_first_hash(environ), f"{sha256(downloaded.data)}\n".encode())


def require_pinned(data: bytes, pinned: Pin | None, place: str) -> None:
    """Raise :class:`BrokenWeightsError` where the weights from ``place`` are not those ``pinned``."""
    if pinned is not None and (found := sha256(data)) != pinned.sha256:
        raise BrokenWeightsError(
            f"the weights of {place} have the sha256 {found}, and {pinned.by} says {pinned.sha256}. Get them "
            "again, or correct or remove what is pinned"
        )


def suffix_of(name: str) -> str:
    """What tells Keras the format of the file ``name``, see :class:`Weights`."""
    return ".weights.h5" if name.endswith(".weights.h5") else ".h5"


def md5(data: bytes) -> str:
    """In base64, as the server tells it."""
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()
