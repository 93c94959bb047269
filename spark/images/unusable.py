"""Why a picture has no pixels, as an exception of this package; :func:`spark.images.decoding.decode` turns it
into a row."""

from __future__ import annotations

from lambdas.contract.report import QuarantineReason

HOW_TO_CONVERT = "save it as a PNG or JPEG of 8 bits a sample"


class UnusableError(Exception):
    """A picture that is not to be decoded, with a reason that can be counted and a detail for people."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def unsupported(what: str) -> UnusableError:
    """The error of a picture that may be intact, and that nothing here decodes; ``what`` it is."""
    return UnusableError(QuarantineReason.UNSUPPORTED_MODE, f"{what}: {HOW_TO_CONVERT}")
