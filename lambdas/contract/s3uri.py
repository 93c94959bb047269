"""``s3://bucket/key``: splitting, and the rules that tell a typing mistake from a place that may exist."""

from __future__ import annotations

import re

SCHEME = "s3://"

# "Bucket naming rules" of the Amazon S3 user guide, for general purpose buckets.
_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


def split(uri: str) -> tuple[str, str]:
    """``s3://bucket/some/key`` -> ``("bucket", "some/key")``. ``uri`` has passed :func:`problem`."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    return bucket, key


def problem(uri: str) -> str | None:
    """What is wrong with ``uri`` as the address of an S3 bucket, whatever its key; None when nothing is."""
    if not uri.startswith(SCHEME):
        return f"does not start with {SCHEME}"
    bucket, _ = split(uri)
    if not _BUCKET.fullmatch(bucket) or _IP_ADDRESS.fullmatch(bucket):
        return (
            f"names the bucket {bucket!r}, but bucket names have 3 to 63 lower-case letters, digits, dots "
            "and hyphens, start and end with a letter or digit, and are no IP address"
        )
    return None
