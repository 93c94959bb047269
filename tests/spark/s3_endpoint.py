"""S3 endpoints of tests: what their answers have in common, and how stores find them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spark.datasets import object_store
from spark.datasets.bucket_listing import bucket_listing


class S3Answer(BaseHTTPRequestHandler):
    """Answers each GET with what :meth:`found` says and the headers that S3 clients ask for."""

    def found(self) -> tuple[bytes, int]:
        """The body and the status."""
        raise NotImplementedError

    def do_GET(self) -> None:
        body, status = self.found()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(server: ThreadingHTTPServer) -> Iterator[None]:
    """Answer from a thread until the context is left."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Answer, and name the server to every store that is opened, until the context is left."""
    with answering(server), pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        environment.setenv("AWS_ALLOW_HTTP", "true")
        environment.setenv("AWS_ACCESS_KEY_ID", "key")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        environment.setenv("AWS_REGION", "eu-west-1")
        _forget_clients()
        yield
        _forget_clients()


def _forget_clients() -> None:
    object_store.open_store.cache_clear()
    bucket_listing.cache_clear()
