"""What a JPEG holds beyond what Pillow says of it: its scans, and whether nothing but its end is missing.

Sources: ITU-T T.81 (B.1.1 markers, B.2.3 scans, G.1.1 progressive coding); libjpeg-turbo's ``libjpeg.txt``.
"""

from __future__ import annotations

import hashlib
from io import BytesIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from lambdas.contract.report import QuarantineReason
from spark.images.unusable import UnusableError

MAX_SCANS = 100
"""Encoders write some ten. Each passes over the whole picture, so that 2,000 make 440 kB take 16 seconds."""
_START_OF_SCAN = b"\xff\xda"
_END = b"\xff\xd9"
_PATTERN = b"\x55\xaa\x33\xcc" * 16
_FILLERS = (bytes(64), _PATTERN + b"".join(b"\xff" + bytes([0xD0 + n]) + _PATTERN for n in range(8)))
"""Two sequels that no decoder takes for the same: zeros, and bits that alternate, also behind the restart
marker that it may be waiting for."""
_ZEROS = bytes(8)


def require_few_scans(picture: JpegImageFile, encoded: bytes) -> None:
    """Raises UnusableError for more scans than :data:`MAX_SCANS`; ``picture`` is opened, not loaded."""
    if not _has_more_scans(picture, encoded):
        return
    scans = 1 + encoded.count(_START_OF_SCAN, _first_scan(picture))
    if scans > MAX_SCANS:
        detail = f"a JPEG of {scans} scans; the limit is {MAX_SCANS}"
        raise UnusableError(QuarantineReason.TOO_LARGE, detail)


def coefficient_bytes(picture: JpegImageFile, encoded: bytes) -> int:
    """What libjpeg holds while it decodes: all coefficients, of 16 bits, if there are several scans."""
    if not _has_more_scans(picture, encoded):
        return 0
    areas = [across * down for _, across, down, _ in picture.layer]
    full = max(a for _, a, _, _ in picture.layer) * max(d for _, _, d, _ in picture.layer)
    return 2 * picture.width * picture.height * sum(areas) // full


def require_end(picture: JpegImageFile, encoded: bytes) -> None:
    """Raises EOFError where no end marker follows the first scan. libjpeg takes whatever is there for the
    rest of the picture."""
    if not encoded.endswith(_END) and encoded.find(_END, _first_scan(picture)) < 0:
        raise EOFError("the JPEG is cut off: it has no end marker")


def completed(encoded: bytes) -> bytes | None:
    """The JPEG with the end marker that it lacks; None when it lacks more than that.

    It lacks no more when its picture does not depend on what might come next, and no scan is missing.
    """
    # A copy that got its length first, and not all of its content, ends in zeros.
    scans = encoded.rstrip(b"\xff\0" if encoded.endswith(_ZEROS) else b"\xff")
    if not _every_scan_is_there(scans):
        return None
    shown, other = (_pixels_sha256(scans + filler) for filler in _FILLERS)
    return scans + _END if shown == other else None


def _first_scan(picture: JpegImageFile) -> int:
    """Where the coded data of the first scan begins."""
    return picture.fp.tell() if picture.fp else 0


def _has_more_scans(picture: JpegImageFile, encoded: bytes) -> bool:
    """Whether there may be more than one: unless the first, of a sequential JPEG, has all components."""
    header = 6 + 2 * picture.layers
    begin = _first_scan(picture) - header
    return "progressive" in picture.info or encoded[begin : begin + 3] != bytes([0, header, picture.layers])


def _every_scan_is_there(encoded: bytes) -> bool:
    """Whether the scans bring each coefficient of each component to its last bit."""
    picture = JpegImageFile(BytesIO(encoded))
    if not _has_more_scans(picture, encoded):
        return True
    missing = {(component, k) for component, *_ in picture.layer for k in range(64)}
    at = encoded.rindex(_START_OF_SCAN, 0, _first_scan(picture))
    while at >= 0:
        components = encoded[at + 4]
        first, last, bits = encoded[at + 5 + 2 * components : at + 8 + 2 * components]
        if bits & 15 == 0:
            sent = encoded[at + 5 : at + 5 + 2 * components : 2]
            missing -= {(component, k) for component in sent for k in range(first, last + 1)}
        at = encoded.find(_START_OF_SCAN, at + 2)
    return not missing


def _pixels_sha256(scans: bytes) -> str:
    """Of what becomes of the JPEG when it ends here."""
    picture = JpegImageFile(BytesIO(scans + _END))
    picture.load()
    digest = hashlib.sha256()
    for top in range(0, picture.height, 64):
        band: Image.Image = picture.crop((0, top, picture.width, min(top + 64, picture.height)))
        digest.update(band.tobytes())
    return digest.hexdigest()
