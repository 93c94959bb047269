"""What a picture may be and may cost, decided by its header: no pixel is decoded before.

Pillow keeps one byte a pixel (modes 1, L, P), two (16-bit grey) or four (everything else, RGB too). A picture
is decoded, perhaps turned upright, and perhaps converted to RGB, each into a copy; what its decoder holds
beside is counted by format. Sources: Pillow's and libjpeg's, libwebp's and libtiff's memory as measured by
tests/spark/test_decoding_memory.py.
"""

from __future__ import annotations

from PIL import Image, JpegImagePlugin, TiffImagePlugin

from lambdas.contract.report import QuarantineReason
from spark.images import jpeg
from spark.images.unusable import UnusableError, unsupported

MAX_PIXELS = 64_000_000
"""The largest phone sensors use their full 200 MP only in raw modes, and a bomb declares thousands."""
MAX_BYTES = 64 * 1024 * 1024
"""Of an encoded picture."""
DECODING_BYTES = 640 * 1024 * 1024
"""What decoding one picture may take beside its encoded bytes: a progressive JPEG of the most pixels, without
chroma subsampling, takes 10 bytes a pixel. ``PYTHON_WORKER_MB`` in lambdas/runs/sizing.py counts on it."""
_CONVERTIBLE = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_AT_MOST = 20
"""Bytes a pixel that no format but TIFF exceeds, whose strips and tiles are whatever its header says."""
_WEIGHTS = 32
"""Bytes for each pixel of width and height: Pillow's weights of the resize, a double for each of the four
source pixels by which each of the square's counts, whatever the square's size."""
_RESULT = 4
_IN_PASSING = 24 * 2**20
"""What the conversion of a block takes, and small change."""


def require_decodable(picture: Image.Image, encoded: bytes) -> None:
    """Let a picture pass that was opened and not yet loaded.

    Raises:
        UnusableError: its header rules it out.
    """
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise too_large(f"{width} x {height} pixels; the limit is {MAX_PIXELS} in all")
    if getattr(picture, "is_animated", False):
        raise UnusableError(QuarantineReason.ANIMATED, f"a {picture.format} of more than one frame")
    if picture.mode not in _CONVERTIBLE and not picture.mode.startswith("I;16"):
        raise unsupported(f"a {picture.format} of Pillow's mode {picture.mode}")
    if picture.mode in {"P", "PA"} and not (picture.palette and picture.palette.palette):
        raise UnusableError(QuarantineReason.CORRUPT, "its colours are numbers of a palette that it lacks")
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        jpeg.require_few_scans(picture, encoded)
    needed = decoding_bytes(picture, encoded)
    if needed > DECODING_BYTES:
        raise too_large(
            f"{width} x {height} pixels of this {picture.format} take up to {needed // 2**20} MiB to decode; "
            f"the limit is {DECODING_BYTES // 2**20}"
        )


def too_large(detail: str) -> UnusableError:
    """The error of a picture that is beyond a limit, which ``detail`` names."""
    return UnusableError(QuarantineReason.TOO_LARGE, detail)


def decoding_bytes(picture: Image.Image, encoded: bytes) -> int:
    """What decoding an opened picture takes at most, beside its encoded bytes; an upper bound, in bytes."""
    pixels = picture.width * picture.height
    weights = _WEIGHTS * (picture.width + picture.height) + _IN_PASSING
    rough = pixels * _AT_MOST + weights
    if rough <= DECODING_BYTES and picture.format != "TIFF":
        return rough  # most photos: no more questions
    stored = pixels * _stored_bytes(picture.mode)
    # libtiff's memory is still there while Pillow turns a TIFF upright, which is a part of loading it.
    loading = _decoder_bytes(picture, encoded) + stored * (2 if picture.format == "TIFF" else 1)
    turning = 2 * stored
    converting = stored + pixels * _RESULT
    return max(loading, turning, converting) + weights


def _stored_bytes(mode: str) -> int:
    if mode in {"1", "L", "P"}:
        return 1
    return 2 if mode.startswith("I;16") else 4


def _decoder_bytes(picture: Image.Image, encoded: bytes) -> int:
    pixels = picture.width * picture.height
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        return jpeg.coefficient_bytes(picture, encoded)
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return _strip_bytes(picture)
    if picture.format == "WEBP":
        return pixels * 12  # two canvases and a frame, all of RGBA
    if picture.format == "BMP":
        return pixels * 2  # run lengths are decoded into bytes first
    # PNG's decoder holds two rows of at most four samples of 16 bits; of 16-bit RGB, png.py reads it twice.
    return 16 * picture.width + (pixels * _RESULT if picture.format == "PNG" and picture.mode == "RGB" else 0)


def _strip_bytes(picture: TiffImagePlugin.TiffImageFile) -> int:
    """A strip or tile as libtiff decodes it; of YCbCr it makes RGBA."""
    tags = picture.tag_v2
    if not picture.use_load_libtiff:
        return 0
    width = int(tags.get(TiffImagePlugin.TILEWIDTH, tags[TiffImagePlugin.IMAGEWIDTH]))
    height = int(tags[TiffImagePlugin.IMAGELENGTH])
    strip = min(int(tags.get(TiffImagePlugin.ROWSPERSTRIP, height)), height)
    rows = int(tags.get(TiffImagePlugin.TILELENGTH, strip))
    samples = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
    bits: int = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    return max(width * rows * samples * bits // 8, width * rows * 4 if picture.mode == "RGB" else 0)
