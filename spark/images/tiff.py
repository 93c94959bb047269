"""TIFF with the grey layouts that Pillow has no mode for: 12 bits, min-is-white, 16 bits with alpha; and
without what it reads wrong: planes that lie apart, and strips that are missing.

Pillow knows pairs of a byte order and a layout; what it lacks is read as the nearest layout that it knows,
and put right afterwards. Source: TIFF 6.0 (sections 4, 8, 18).
"""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COLORMAP,
    COMPRESSION,
    COMPRESSION_INFO,
    EXTRASAMPLES,
    FILLORDER,
    II,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    ROWSPERSTRIP,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    STRIPBYTECOUNTS,
    STRIPOFFSETS,
    TILEBYTECOUNTS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    TiffImageFile,
)

from lambdas.contract.report import QuarantineReason
from spark.images.blocks import blocks
from spark.images.colour import SIXTEEN_BITS, eight_bits
from spark.images.unusable import UnusableError, unsupported

MAX_TAG_BYTES = 2**20
"""In a tag that says how the picture is laid out: the places of 262,144 strips or tiles."""
_STRUCTURE = (
    BITSPERSAMPLE,
    SAMPLEFORMAT,
    EXTRASAMPLES,
    STRIPOFFSETS,
    STRIPBYTECOUNTS,
    TILEOFFSETS,
    TILEBYTECOUNTS,
)
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _CMYK, _YCBCR = 0, 1, 2, 5, 6
_AS_IT_IS, _OLD_JPEG = 1, 6
_APART = 2
_WINDOWS_MEDIA_PHOTO = 0xBC01
_PALETTES = frozenset({"P", "PA"})
_OPAQUE, _ALPHA = (), (2,)  # ExtraSamples: none, and one of unassociated alpha
_TWELVE_BITS = 4095


class Tiff(TiffImageFile):
    """A TIFF whose :meth:`grey_or_as_loaded` is what it shows."""

    _inverted = False
    _top = SIXTEEN_BITS
    _interleaved_alpha = False

    def _setup(self) -> None:
        """Called by Pillow when it has read the tags, and before it looks into them."""
        self._require_short_tags()
        layout = self._layout()
        self._require_decodable(*layout)
        self._require_all_strips()
        self._rename(*layout)
        try:
            super()._setup()
        except SyntaxError as error:
            if str(error) != "unknown pixel mode":
                raise
            photometric, bits, extra = layout
            detail = f"a TIFF of photometric interpretation {photometric}, bits {bits}, extra samples {extra}"
            raise unsupported(detail) from error
        if self.mode in _PALETTES and len(self.tag_v2[COLORMAP]) < 3 << layout[1][0]:
            raise UnusableError(QuarantineReason.CORRUPT, "a palette TIFF whose palette lacks colours")

    def _require_short_tags(self) -> None:
        """Pillow makes some 300 bytes of each strip or tile, and 50 of each other number in a tag."""
        for tag in _STRUCTURE:
            size = len(self.tag_v2._tagdata.get(tag, b""))
            if size > MAX_TAG_BYTES:
                detail = f"a TIFF with {size} bytes in its tag {tag}; the limit is {MAX_TAG_BYTES}"
                raise UnusableError(QuarantineReason.TOO_LARGE, detail)

    def _require_decodable(self, photometric: int, bits: tuple[int, ...], extra: tuple[int, ...]) -> None:
        """Pillow puts planes that lie apart where those of RGB belong, and takes them for 8 bits if nothing
        compresses them."""
        tags = self.tag_v2
        compression = tags.get(COMPRESSION, _AS_IT_IS)
        if compression not in COMPRESSION_INFO or _WINDOWS_MEDIA_PHOTO in tags:
            raise unsupported(f"a TIFF of compression {compression}")
        if tags.get(PLANAR_CONFIGURATION, 1) != _APART or tags.get(SAMPLESPERPIXEL, len(bits)) == 1:
            return
        plain = compression == _AS_IT_IS
        colours = photometric in {_RGB, _CMYK} or (photometric == _YCBCR and not plain)
        alpha = extra == _OPAQUE or (extra == _ALPHA and photometric == _RGB)
        ignored = not plain and max(extra, default=0) == 0
        if not colours or not (alpha or ignored) or not set(bits) <= ({8} if plain else {8, 16}):
            raise unsupported(
                f"a TIFF whose planes lie apart (PlanarConfiguration 2), of photometric interpretation "
                f"{photometric}, bits {bits}, extra samples {extra}, compression {compression}"
            )

    def _require_all_strips(self) -> None:
        """Pillow and libtiff decode those that are there, and leave the rest black."""
        tags = self.tag_v2
        tiled = TILEOFFSETS in tags
        offsets = tags.get(TILEOFFSETS if tiled else STRIPOFFSETS)
        width, height = tags.get(IMAGEWIDTH), tags.get(IMAGELENGTH)
        if offsets is None or tags.get(COMPRESSION) == _OLD_JPEG or not width or not height:
            return
        across, down = (TILEWIDTH, TILELENGTH) if tiled else (IMAGEWIDTH, ROWSPERSTRIP)
        columns, rows = tags.get(across, width), tags.get(down, height)
        planes = tags.get(SAMPLESPERPIXEL, 1) if tags.get(PLANAR_CONFIGURATION, 1) == _APART else 1
        wanted = -(-width // columns) * -(-height // rows) * planes
        if (there := len(offsets) - offsets.count(0)) < wanted:
            detail = f"the TIFF has {there} of its {wanted} {'tiles' if tiled else 'strips'}"
            raise UnusableError(QuarantineReason.CORRUPT, detail)

    def _layout(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        tags = self.tag_v2
        bits = tags.get(BITSPERSAMPLE, (1,))
        if len(bits) == 1 and tags.get(SAMPLESPERPIXEL) == 2:
            bits = bits * 2
        return tags.get(PHOTOMETRIC_INTERPRETATION, _MIN_IS_WHITE), bits, tags.get(EXTRASAMPLES, _OPAQUE)

    def _rename(self, photometric: int, bits: tuple[int, ...], extra: tuple[int, ...]) -> None:
        tags = self.tag_v2
        plain = tags.get(SAMPLEFORMAT, (1,))[0] == 1 and tags.get(FILLORDER, 1) == 1
        if photometric not in {_MIN_IS_WHITE, _MIN_IS_BLACK} or not plain:
            return
        if (bits, extra) not in {((12,), _OPAQUE), ((16,), _OPAQUE), ((8, 8), _ALPHA), ((16, 16), _ALPHA)}:
            return
        self._inverted = photometric == _MIN_IS_WHITE
        tags[PHOTOMETRIC_INTERPRETATION] = _MIN_IS_BLACK
        if bits == (12,):
            # Packed from the highest bit on, whatever the byte order, and Pillow asks for this one.
            tags._prefix = II
            self._top = _TWELVE_BITS
        if bits == (16, 16) and self._is_simple():
            # One row of grey, alpha, grey, alpha, ...
            self._interleaved_alpha = True
            for tag in (IMAGEWIDTH, TILEWIDTH):
                if tag in tags:
                    tags[tag] = 2 * tags[tag]
            tags[SAMPLESPERPIXEL], tags[BITSPERSAMPLE] = 1, (16,)
            del tags[EXTRASAMPLES]

    def _is_simple(self) -> bool:
        """Whether its pixels are in the file as they are."""
        tags = self.tag_v2
        wanted = {COMPRESSION: 1, PLANAR_CONFIGURATION: 1, ExifTags.Base.Orientation: 1}
        return all(tags.get(tag, value) == value for tag, value in wanted.items())

    def grey_or_as_loaded(self) -> Image.Image:
        """The loaded picture, of a mode that means what it says."""
        wide = self.mode.startswith("I;16")
        if not self._inverted and (not wide or (self._top == SIXTEEN_BITS and not self._interleaved_alpha)):
            return self
        across = 2 if self._interleaved_alpha else 1
        size = (self.width // across, self.height)
        mode = "LA" if self._interleaved_alpha or self.mode == "LA" else "L"
        result = Image.new(mode, size)
        for left, upper, right, lower in blocks(size):
            samples = np.asarray(self.crop((left * across, upper, right * across, lower)))
            samples = eight_bits(samples, self._top) if wide else samples
            samples = samples.reshape(lower - upper, right - left, -1)
            if self._inverted:
                samples = np.dstack([255 - samples[..., :1], samples[..., 1:]])
            shape = samples.shape[:2] if mode == "L" else samples.shape
            result.paste(Image.fromarray(np.ascontiguousarray(samples).reshape(shape)), (left, upper))
        return result
