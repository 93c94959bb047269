"""An S3 endpoint of a test, served and named to every store that is opened meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

import pytest

from spark import storage


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Answer from a thread until the context is left."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        environment.setenv("AWS_ALLOW_HTTP", "true")
        environment.setenv("AWS_ACCESS_KEY_ID", "key")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        storage.open_store.cache_clear()
        yield
        storage.open_store.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()
