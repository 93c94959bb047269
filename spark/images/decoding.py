"""From the bytes of a picture to the input of the network, or the reason why there is none.

The same function serves both engines, so that they see the same pixels; each brings its way of resizing.

- Formats: JPEG (and its MPO variant, whose first picture counts), PNG, WebP, BMP, TIFF, GIF, by content,
  whatever the name says.
- The EXIF orientation is applied: the network sees what a person sees.
- Transparency is put on white, the background of catalogue photos.
- 16-bit grey is scaled by 255/65535; CMYK, palette, grey and bilevel pictures are converted by Pillow.
- The picture is resized to a square with Pillow's bicubic filter (the brief's recipe) without regard
  to its aspect. :func:`scale` brings it to [-1, 1] as ``keras.applications.mobilenet_v2.preprocess_input``
  does; until then it stays in bytes, a quarter of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from lambdas.contract.report import QuarantineReason
from spark.images.resize import Resize

MAX_PIXELS = 64_000_000
"""A decoded picture takes 3-4 bytes a pixel and is converted once more; the largest phone sensors use
their full 200 MP only in raw modes, and a bomb declares thousands."""
MAX_BYTES = 64 * 1024 * 1024
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
CONVERTIBLE_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})

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


@dataclass(frozen=True)
class Rejected:
    """Why an image has no features: a reason that can be counted and a detail for people."""

    reason: QuarantineReason
    detail: str


def decode(data: bytes, image_size: int, resize: Resize) -> np.ndarray | Rejected:
    """Decode a picture.

    Args:
        data: an encoded picture, or anything else that was found under its name.
        image_size: side of the square, in pixels.
        resize: one of the two of :mod:`spark.images.resize`.

    Returns:
        uint8 array [image_size, image_size, 3], RGB; or why there is none. Never raises for what is in
        ``data``.
    """
    picture = _open(data)
    if isinstance(picture, Rejected):
        return picture
    with picture:
        try:
            if refusal := _refusal(picture):
                return refusal
            picture.load()
            upright = _upright(picture)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's plugins do not agree on what a broken body raises
            return Rejected(QuarantineReason.CORRUPT, _text(error))
        return resize(_rgb(upright), image_size)


def scale(pixels: np.ndarray, out: np.ndarray) -> None:
    """Write x / 127.5 - 1 of uint8 ``pixels``, what the network takes, to ``out``: float32 of their shape."""
    np.divide(pixels, np.float32(127.5), out=out)
    np.subtract(out, np.float32(1), out=out)


def too_many_bytes(size: int) -> Rejected:
    """The rejection of a file of ``size`` bytes."""
    return Rejected(QuarantineReason.TOO_LARGE, f"{size} bytes; the limit is {MAX_BYTES}")


def _open(data: bytes) -> Image.Image | Rejected:
    """Read the header."""
    if not data:
        return Rejected(QuarantineReason.EMPTY, "the file has no bytes")
    if len(data) > MAX_BYTES:
        return too_many_bytes(len(data))
    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        if _starts_like_a_picture(data):
            return Rejected(QuarantineReason.CORRUPT, "the header is broken or cut off")
        return Rejected(QuarantineReason.UNREADABLE_FORMAT, f"none of {', '.join(FORMATS)}")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return Rejected(QuarantineReason.TOO_LARGE, str(error))
    except MemoryError:
        raise
    except Exception as error:  # nor on a hostile header
        return Rejected(QuarantineReason.CORRUPT, _text(error))


def _refusal(picture: Image.Image) -> Rejected | None:
    """What the header alone rules out, before any pixel is decoded."""
    if picture.width * picture.height > MAX_PIXELS:
        detail = f"{picture.width} x {picture.height} pixels; the limit is {MAX_PIXELS} in all"
        return Rejected(QuarantineReason.TOO_LARGE, detail)
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        return Rejected(QuarantineReason.ANIMATED, f"a {picture.format} of more than one frame")
    if picture.mode not in CONVERTIBLE_MODES and not picture.mode.startswith("I;16"):
        return Rejected(QuarantineReason.UNSUPPORTED_MODE, f"Pillow mode {picture.mode}")
    return None


def _upright(picture: Image.Image) -> Image.Image:
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken metadata of an intact picture is no reason to lose it
        orientation = 1
    turn = _UPRIGHT.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture, dtype=np.uint32)
        picture = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return picture.convert("RGB")


def _starts_like_a_picture(data: bytes) -> bool:
    """Whether a format's own test of the first bytes accepts them (Pillow's registry of plugins)."""
    tests = (Image.OPEN[name][1] for name in FORMATS if name in Image.OPEN)
    return any(test is not None and test(data[:16]) is True for test in tests)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
