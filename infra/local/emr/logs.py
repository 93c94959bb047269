"""Logs as EMR keeps them: ``<LogUri><cluster>/steps/<step>/{controller,stdout,stderr}.gz``.

A live, uncompressed copy stays in the endpoint's folder under the same path, for people.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Python's and Java's ways to end: "a.module.SomeName: why", "ValueError: why", "Exception in thread ...".
_EXCEPTION = re.compile(r"Exception in thread |[\w.$]*(\.|Error|Exception)[\w$]*: ")


@dataclass(frozen=True)
class S3Uri:
    """``s3://bucket/key``."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Uri:
        """Read ``s3://``, and the ``s3n://`` and ``s3a://`` that EMR takes for the same.

        Raises:
            ValueError: it is not such a URI.
        """
        parts = urlsplit(uri)
        if parts.scheme not in {"s3", "s3n", "s3a"} or not parts.netloc:
            raise ValueError(f"{uri!r} is not an S3 URI; expected s3://<bucket>/<key>")
        return cls(parts.netloc, parts.path.lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def __truediv__(self, name: str) -> S3Uri:
        return S3Uri(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))


@dataclass(frozen=True)
class ProgramLogs:
    """The three logs of a step or bootstrap action, in ``folder`` and, if ``uri`` is set, in S3."""

    folder: Path
    uri: S3Uri | None

    @property
    def stdout(self) -> Path:
        return self.folder / "stdout"

    @property
    def stderr(self) -> Path:
        return self.folder / "stderr"

    @property
    def stderr_uri(self) -> str | None:
        return None if self.uri is None else f"{self.uri / 'stderr.gz'}"

    def note(self, message: str) -> None:
        """Add a line to the controller log, in EMR's format."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "controller").open("a") as controller:
            controller.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} INFO {message}\n")

    def last_error(self) -> str | None:
        """The last line of stderr that names an exception, which is what EMR shows of a failure."""
        if not self.stderr.exists():
            return None
        lines = self.stderr.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if _EXCEPTION.match(line)), None)

    def upload(self, s3: Any) -> None:
        """Copy what was logged to S3 with the node's own client, as EMR's log pusher does."""
        if self.uri is None:
            return
        for name in ("controller", "stdout", "stderr"):
            path = self.folder / name
            if path.exists():
                target = self.uri / f"{name}.gz"
                s3.put_object(Bucket=target.bucket, Key=target.key, Body=gzip.compress(path.read_bytes()))
