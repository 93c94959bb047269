"""What a JPEG holds beyond what Pillow says of it: segments, scans, and whether its picture is whole.

Sources: ITU-T T.81 (B.1.1 markers, B.2.2 frames, B.2.3 scans, G.1.1 progressive coding), T.87 (JPEG-LS);
libjpeg-turbo's ``libjpeg.txt``, ``jdhuff.c`` (what is missing is decoded as blocks of nothing: grey).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import islice

import numpy as np
import simplejpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from lambdas.contract.report import QuarantineReason
from spark.images.unusable import UnusableError

MAX_SCANS = 100
"""Encoders write some ten. Each passes over the whole picture, so that 2,000 make 440 kB take 16 seconds."""
MAX_SEGMENTS = 4096
"""In front of the picture, of all of which Pillow keeps a list. 64 MiB are some thousand of the largest."""
_START_OF_SCAN = b"\xff\xda"
_SOS, _EOI = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff+([^\xff])")
_ALONE = frozenset({0x00, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
"""Codes behind which Pillow reads no segment."""
_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_DECODED_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_DECODED_COMPONENTS = frozenset({1, 3, 4})
_GREY = frozenset({127, 128})
"""What a sample is when no coefficient says anything of it; ink is turned round."""
_END = b"\xff\xd9"
_PATTERN = b"\x55\xaa\x33\xcc" * 16
_FILLERS = (bytes(64), _PATTERN + b"".join(b"\xff" + bytes([0xD0 + n]) + _PATTERN for n in range(8)))
"""Two sequels that no decoder takes for the same: zeros, and bits that alternate, also behind the restart
marker that it may be waiting for."""
_ZEROS = bytes(8)
_ARITHMETIC = frozenset({0xC9, 0xCA})
_NOT_WRITTEN = bytes(8)
"""Zeros at the end of a scan: an arithmetic coder leaves them out, decoders put them back (T.81, D.1.8)."""


def require_few_scans(picture: JpegImageFile, encoded: bytes) -> None:
    """Raises UnusableError for more scans than :data:`MAX_SCANS`; ``picture`` is opened, not loaded."""
    if not _has_more_scans(picture, encoded):
        return
    if next(islice(_scans(picture, encoded), MAX_SCANS, None), None):
        detail = f"a JPEG of more than {MAX_SCANS} scans"
        raise UnusableError(QuarantineReason.TOO_LARGE, detail)


def require_few_segments(encoded: bytes) -> None:
    """Raises UnusableError for more than :data:`MAX_SEGMENTS`, before anybody keeps them."""
    if next(islice(_segments(encoded), MAX_SEGMENTS, None), None):
        detail = f"a JPEG of more than {MAX_SEGMENTS} segments in front of its picture"
        raise UnusableError(QuarantineReason.TOO_LARGE, detail)


def undecodable(encoded: bytes) -> str | None:
    """What kind of JPEG it is, if its frame header says that it is one which libjpeg or Pillow does not
    decode, intact or not; else None."""
    frames = ((code, at) for code, at in islice(_segments(encoded), MAX_SEGMENTS) if code in _FRAMES)
    code, at = next(frames, (0, len(encoded)))
    if len(encoded) < at + 8:
        return None
    bits, components = encoded[at + 2], encoded[at + 7]
    if code not in _DECODED_FRAMES:
        return f"a JPEG of a lossless or hierarchical kind (marker {code:#x})"
    if bits != 8:
        return f"a JPEG of {bits} bits a sample"
    return None if components in _DECODED_COMPONENTS else f"a JPEG of {components} components"


def coefficient_bytes(picture: JpegImageFile, encoded: bytes) -> int:
    """What libjpeg holds while it decodes: all coefficients, of 16 bits, if there are several scans."""
    if not _has_more_scans(picture, encoded):
        return 0
    areas = [across * down for _, across, down, _ in picture.layer]
    full = max(a for _, a, _, _ in picture.layer) * max(d for _, _, d, _ in picture.layer)
    return 2 * picture.width * picture.height * sum(areas) // full


def require_end(picture: JpegImageFile, encoded: bytes) -> None:
    """Let a picture pass that was opened and not yet loaded. libjpeg takes whatever is there for the rest of
    the picture.

    Raises:
        EOFError: no end marker follows the first scan.
        UnusableError: one does, and takes the place of scans that never came. What is cut off within the
            last of several scans is not noticed: the last bits of some coefficients.
    """
    if not encoded.endswith(_END) and encoded.find(_END, _first_scan(picture)) < 0:
        raise EOFError("the JPEG is cut off: it has no end marker")
    if not _every_scan_is_there(picture, encoded):
        detail = "the JPEG is cut off, or was written so: its scans do not tell of all of the picture"
        raise UnusableError(QuarantineReason.CORRUPT, detail)


def require_whole(picture: JpegImageFile, encoded: bytes) -> None:
    """Raises UnusableError for a loaded picture of one scan that was cut off before its end marker.

    libjpeg says nothing of it, and goes on in grey. Only where the last pixel is of that grey is it looked
    into; so what is cut off within the last block of all is not noticed.
    """
    last = picture.getpixel((picture.width - 1, picture.height - 1))
    if not _GREY.issuperset(last if isinstance(last, tuple) else (last,)):
        return
    opened = JpegImageFile(BytesIO(encoded))
    end = _END_OF_SCAN.search(encoded, _first_scan(opened))
    if end is None or _has_more_scans(opened, encoded):
        return
    if _depends_on_what_follows(memoryview(encoded)[: end.start()]):
        detail = "the JPEG is cut off in its scan, although an end marker follows"
        raise UnusableError(QuarantineReason.CORRUPT, detail)


def photo_pixels(picture: JpegImageFile, encoded: bytes) -> np.ndarray | None:
    """The pixels of an opened picture from libjpeg-turbo alone, which takes half of Pillow's time for them.

    Returns:
        uint8 [height, width, 3], the bytes that Pillow has of it; None of any kind but that of photos (RGB in
        one scan), where libjpeg has anything to say of it, and where it may have been cut off.
    """
    if picture.mode != "RGB" or _has_more_scans(picture, encoded):
        return None
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(encoded, "RGB", strict=True)
    except ValueError:
        return None
    is_grey = _GREY.issuperset(pixels[-1, -1].tolist())
    return None if is_grey or pixels.shape[:2] != (picture.height, picture.width) else pixels


def completed(encoded: bytes) -> bytes | None:
    """The JPEG with the end marker that it lacks; None when it lacks more than that.

    It lacks no more when its picture does not depend on what might come next, and no scan is missing.
    """
    # A copy that got its length first, and not all of its content, ends in zeros.
    scans = encoded.rstrip(b"\xff\0" if encoded.endswith(_ZEROS) else b"\xff")
    if not _every_scan_is_there(JpegImageFile(BytesIO(scans)), scans):
        return None
    return None if _depends_on_what_follows(scans) else scans + _END


def _segments(encoded: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Code of each marker up to the first scan's, and where its length stands; by Pillow's way of reading,
    which gets over what is no marker."""
    at = 2
    while found := _MARKER.search(encoded, at):
        code, at = found[1][0], found.end()
        yield code, at
        if code == _SOS:
            return
        if code not in _ALONE:
            at += max(2, int.from_bytes(encoded[at : at + 2], "big"))


def _scans(picture: JpegImageFile, encoded: bytes) -> Iterator[int]:
    """Where the length of each scan's header stands, up to the end marker, behind which may be anything."""
    at = _first_scan(picture)
    yield encoded.rindex(_START_OF_SCAN, 0, at) + 2
    for _ in range(MAX_SEGMENTS):
        found = _END_OF_SCAN.search(encoded, at)
        code = encoded[found.end() - 1] if found else _EOI
        if found is None or code == _EOI:
            return
        at = found.end()
        if code == _SOS:
            yield at
        if code not in _ALONE:
            at += max(2, int.from_bytes(encoded[at : at + 2], "big"))


def _first_scan(picture: JpegImageFile) -> int:
    """Where the coded data of the first scan begins."""
    return picture.fp.tell() if picture.fp else 0


def _has_more_scans(picture: JpegImageFile, encoded: bytes) -> bool:
    """Whether there may be more than one: unless the first, of a sequential JPEG, has all components."""
    header = 6 + 2 * picture.layers
    begin = _first_scan(picture) - header
    return "progressive" in picture.info or encoded[begin : begin + 3] != bytes([0, header, picture.layers])


def _every_scan_is_there(picture: JpegImageFile, encoded: bytes) -> bool:
    """Whether the scans bring each coefficient of each component to its last bit; ``picture`` is opened."""
    if not _has_more_scans(picture, encoded):
        return True
    progressive = "progressive" in picture.info
    missing = {(component, k) for component, *_ in picture.layer for k in range(64)}
    for at in _scans(picture, encoded):
        header = encoded[at + 2 : at + 2 + 2 * 255 + 4]
        components = header[0] if header else 0
        if len(header) < 2 * components + 4:
            break
        first, last, bits = header[2 * components + 1 : 2 * components + 4] if progressive else (0, 63, 0)
        if bits & 15 == 0:
            sent = header[1 : 2 * components + 1 : 2]
            missing -= {(component, k) for component in sent for k in range(first, last + 1)}
    return not missing


def _depends_on_what_follows(scans: bytes | memoryview) -> bool:
    """Whether another picture is shown if something else comes next."""
    is_arithmetic = any(code in _ARITHMETIC for code, _ in islice(_segments(scans), MAX_SEGMENTS))
    left_out = _NOT_WRITTEN if is_arithmetic else b""
    shown, other = (_pixels_sha256(b"".join((scans, left_out, filler, _END))) for filler in _FILLERS)
    return shown != other


def _pixels_sha256(encoded: bytes) -> str:
    picture = JpegImageFile(BytesIO(encoded))
    picture.load()
    digest = hashlib.sha256()
    for top in range(0, picture.height, 64):
        band: Image.Image = picture.crop((0, top, picture.width, min(top + 64, picture.height)))
        digest.update(band.tobytes())
    return digest.hexdigest()
