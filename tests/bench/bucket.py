"""A read-only S3 endpoint over a local folder that answers each GET after a delay.

``python -m tests.bench.bucket <folder> <delay in ms>`` prints its port and serves until its input is closed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

BUCKET = "bench"
_HEADERS = 'ETag: "1"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n'


@contextmanager
def serving(folder: Path, delay_ms: int) -> Iterator[dict[str, str]]:
    """Serve ``folder`` as the bucket ``BUCKET``; yields the environment by which clients find it."""
    command = [sys.executable, "-m", "tests.bench.bucket", str(folder), str(delay_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None or server.stdin is None:
            raise AssertionError("both are pipes")
        port = server.stdout.readline().strip()
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",  # the endpoint checks none
            "AWS_REGION": "eu-west-1",
        }
        server.stdin.close()


async def serve(folder: Path, delay_ms: int) -> None:
    """Answer until standard input ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[writer] = asyncio.current_task()
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            key = unquote(request.split()[1].decode()).removeprefix(f"/{BUCKET}/")
            path = folder / key
            body = path.read_bytes() if path.is_file() else b""
            await asyncio.sleep(delay_ms / 1000)
            status = "200 OK" if body else "404 Not Found"
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{_HEADERS}\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        del connections[writer]
        writer.close()

    connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    for connection in connections:  # kept alive by clients that have ended
        connection.close()
    await asyncio.gather(*filter(None, connections.values()), return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
