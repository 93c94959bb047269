"""From the bytes of a picture to the input of the network, or the reason why there is none.

The same function serves both engines, so that they see the same pixels; each brings its way of resizing.

- Formats: JPEG (and its MPO variant, whose first picture counts), PNG, WebP, BMP, TIFF, GIF, by content,
  whatever the name says.
- The EXIF orientation is applied: the network sees what a person sees.
- Transparency is put on white, the background of catalogue photos.
- 16-bit grey is scaled by 255/65535, 12-bit grey by 255/4095, min-is-white is turned round; CMYK, palette,
  grey and bilevel pictures are converted by Pillow.
- What is wrong with metadata only, or with nothing but the end of a JPEG, is no reason to lose a picture.
- The picture is resized to a square with Pillow's bicubic filter (the brief's recipe) without regard
  to its aspect. :func:`scale` brings it to [-1, 1] as ``keras.applications.mobilenet_v2.preprocess_input``
  does; until then it stays in bytes, a quarter of the memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from lambdas.contract.report import QuarantineReason
from spark.images import jpeg, png
from spark.images.colour import to_rgb
from spark.images.limits import MAX_BYTES, MAX_PIXELS, require_decodable, too_large
from spark.images.machine_code import address, machine_code
from spark.images.resize import Resize, is_stretched
from spark.images.tiff import Tiff
from spark.images.unusable import UnusableError, unsupported

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by EXIF orientation (CIPA DC-008, tag 0x0112); 1 is upright."""


class Flaw(StrEnum):
    """What is wrong with a file of which the picture is whole."""

    NO_END_MARKER = "no_end_marker"
    """A JPEG without the two bytes that end it (EOI): often a transfer that was cut off."""


DETAIL_LENGTH = 500
_UNSUPPORTED_BMP = re.compile("Unsupported BMP (pixel depth|compression|bitfields)")


@dataclass(frozen=True)
class Rejected:
    """Why an image has no features: a reason that can be counted and a detail for people, cut at
    :data:`DETAIL_LENGTH`: what libraries say may repeat all that is in a file."""

    reason: QuarantineReason
    detail: str

    def __post_init__(self) -> None:
        if len(self.detail) > DETAIL_LENGTH:
            object.__setattr__(self, "detail", f"{self.detail[:DETAIL_LENGTH]}...")


@dataclass(frozen=True)
class Pixels:
    """What the network gets to see. ``values``: uint8 [image_size, image_size, 3], RGB."""

    values: np.ndarray
    flaw: Flaw | None = None


def decode(data: bytes, image_size: int, resize: Resize) -> Pixels | Rejected:
    """Decode a picture.

    Args:
        data: an encoded picture, or anything else that was found under its name.
        image_size: side of the square, in pixels.
        resize: one of the two of :mod:`spark.images.resize`.

    Returns:
        The pixels, or why there are none. Never raises for what is in ``data``, whichever library trips over
        it, nor for want of memory: a bad picture costs itself and none of its neighbours.
    """
    try:
        return _decoded(data, image_size, resize)
    except UnusableError as error:
        return Rejected(error.reason, error.detail)
    except MemoryError:
        return out_of_memory()
    except Exception as error:  # Pillow's plugins do not agree on what a broken file raises
        return Rejected(QuarantineReason.CORRUPT, _text(error))


def scale(pixels: np.ndarray, out: np.ndarray) -> None:
    """Write x / 127.5 - 1 of ``pixels``, what the network takes, to ``out``.

    Args:
        pixels: uint8, contiguous.
        out: float32 of their shape, contiguous.
    """
    if (code := machine_code()) is not None:
        code.scale(address(pixels), pixels.size, address(out))
        return
    np.divide(pixels, np.float32(127.5), out=out)
    np.subtract(out, np.float32(1), out=out)


def too_many_bytes(size: int) -> Rejected:
    """The rejection of a file of ``size`` bytes."""
    return Rejected(QuarantineReason.TOO_LARGE, f"{size} bytes; the limit is {MAX_BYTES}")


def out_of_memory() -> Rejected:
    """The rejection of a file that the machine has no memory for, however small it may be."""
    return Rejected(QuarantineReason.TOO_LARGE, "the machine had not enough memory left for it")


def not_computed(error: Exception) -> Rejected:
    """The rejection of a picture over which the network failed, and not what was read of it."""
    return Rejected(QuarantineReason.NOT_COMPUTED, f"the network failed over it: {_text(error)}")


def _decoded(data: bytes, image_size: int, resize: Resize) -> Pixels:
    if not data:
        raise UnusableError(QuarantineReason.EMPTY, "the file has no bytes")
    if len(data) > MAX_BYTES:
        raise too_large(too_many_bytes(len(data)).detail)
    opener = _opener(data)
    try:
        return Pixels(_square(opener, data, image_size, resize))
    except (UnusableError, MemoryError):
        raise
    except Exception as error:
        broken = _text(error)  # not the error itself: it holds what was decoded so far
    if (kind := _undecodable(data, broken)) is not None:
        raise unsupported(kind)
    mended, flaw = _mended(data)
    if mended is None:
        raise UnusableError(QuarantineReason.CORRUPT, broken)
    return Pixels(_square(opener, mended, image_size, resize), flaw)


def _undecodable(data: bytes, broken: str) -> str | None:
    """What kind of picture it is, if it is of one that Pillow refuses (for ``broken``) whether it is intact
    or not."""
    if data.startswith(_JPEG):
        return jpeg.undecodable(data)
    return f"a BMP ({broken})" if _UNSUPPORTED_BMP.search(broken) else None


def _mended(data: bytes) -> tuple[bytes | None, Flaw | None]:
    """A whole picture of what Pillow refuses, where only something beside the picture is wrong."""
    if data.startswith(_PNG):
        return png.essentials(data), None
    if data.startswith(_JPEG):
        return jpeg.completed(data), Flaw.NO_END_MARKER
    return None, None


def _opener(data: bytes) -> Callable[[BytesIO], Image.Image]:
    """What reads the header of a file that begins like this."""
    if data.startswith(_JPEG):
        return JpegImagePlugin.JpegImageFile
    if data.startswith(_PNG):
        return PngImagePlugin.PngImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    if data.startswith(b"BM"):
        return BmpImagePlugin.BmpImageFile
    if data[:4] in TiffImagePlugin.PREFIXES:
        return Tiff
    if data.startswith(b"GIF8"):
        return GifImagePlugin.GifImageFile
    raise UnusableError(QuarantineReason.UNREADABLE_FORMAT, f"none of {', '.join(FORMATS)}")


def _square(
    opener: Callable[[BytesIO], Image.Image], data: bytes, image_size: int, resize: Resize
) -> np.ndarray:
    """Whatever is found at any step replaces what it was made of, so that its memory is free."""
    if data.startswith(_JPEG):
        jpeg.require_few_segments(data)
    picture = _open(opener, data)
    require_decodable(picture, data)
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        jpeg.require_end(picture, data)
        # Small photos need nothing else of Pillow (decision 25).
        if is_stretched(picture.size, image_size) and _turn(picture) is None:
            pixels = jpeg.photo_pixels(picture, data)
            if pixels is not None:
                return resize(pixels, image_size)
    picture.load()
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        jpeg.require_whole(picture, data)
    picture = _as_meant(picture, data)
    picture = _upright(picture)
    picture = to_rgb(picture)
    return resize(picture, image_size)


def _open(opener: Callable[[BytesIO], Image.Image], data: bytes) -> Image.Image:
    try:
        return opener(BytesIO(data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Of plugins that allocate what the header says.
        raise too_large(f"more pixels than the limit of {MAX_PIXELS}") from error


def _as_meant(picture: Image.Image, data: bytes) -> Image.Image:
    """The loaded picture where Pillow has something else in mind than the file says."""
    if isinstance(picture, PngImagePlugin.PngImageFile):
        png.require_all_rows(picture, data)
        return png.with_exact_transparency(picture, data)
    if isinstance(picture, Tiff):
        return picture.grey_or_as_loaded()
    if isinstance(picture, GifImagePlugin.GifImageFile):
        return _on_canvas(picture)
    if isinstance(picture, BmpImagePlugin.BmpImageFile) and picture.mode == "RGBA":
        # Programs that know no transparency leave the fourth byte at zero.
        return picture if picture.getchannel("A").getextrema()[1] else picture.convert("RGB")
    if isinstance(picture, WebPImagePlugin.WebPImageFile):
        del picture._decoder  # it holds two more of the picture
    return picture


def _on_canvas(picture: GifImagePlugin.GifImageFile) -> Image.Image:
    """The picture with nothing, hence white, where its frame leaves the canvas free (GIF89a, 20)."""
    width, height = picture.size
    left, upper, right, lower = picture.dispose_extent or (0, 0, width, height)
    if (left, upper, right, lower) == (0, 0, width, height):
        return picture
    result = to_rgb(picture)
    above, below = (0, 0, width, upper), (0, lower, width, height)
    for box in (above, below, (0, upper, left, lower), (right, upper, width, lower)):
        result.paste((255, 255, 255), box)
    return result


def _upright(picture: Image.Image) -> Image.Image:
    turn = _turn(picture)
    return picture if turn is None else picture.transpose(turn)


def _turn(picture: Image.Image) -> Image.Transpose | None:
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken metadata of an intact picture is no reason to lose it
        return None
    return _UPRIGHT.get(orientation)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
