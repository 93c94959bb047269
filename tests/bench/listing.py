"""A flat folder of a million keys, listed as it is and as if it could not be cut.

``python -m tests.bench.listing serve <keys> <delay in ms>`` prints its port and serves until its input is
closed; ``... list <keys>`` lists what is served, and prints seconds of wall clock and of CPU.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from tests.bench.figures import Figure

KEYS = 1_000_000
DELAY_MS = 100
"""An answer of a thousand keys takes S3 about so long. Assumed."""
_FOLDER = "images/"
_PAGE = 1000


def figures() -> list[Figure]:
    """Seconds until all keys came, and how many times as long a lister alone would wait for S3."""
    with _serving(KEYS, DELAY_MS) as environment:
        command = [sys.executable, "-m", "tests.bench.listing", "list", str(KEYS)]
        done = subprocess.run(
            command, env={**os.environ, **environment}, check=True, capture_output=True, text=True
        )
    seconds, cpu_seconds = map(float, done.stdout.split())
    one_by_one = KEYS / _PAGE * DELAY_MS / 1000
    return [
        Figure(f"listing.flat_seconds.{KEYS}", seconds),
        Figure(f"listing.flat_cpu_seconds.{KEYS}", cpu_seconds),
        Figure("listing.ratio_vs_one_lister", one_by_one / seconds, 4),
    ]


def list_all(keys: int) -> tuple[float, float]:
    """Seconds, and those of this process' CPU, until so many keys were listed."""
    from spark.datasets.listing import list_in_order  # which the server has no use for

    began, worked = time.perf_counter(), time.process_time()
    count, previous = 0, ""
    for item in list_in_order(f"s3://photos/{_FOLDER}"):
        if item.uri <= previous:
            raise AssertionError(f"{item.uri} came behind {previous}")
        count, previous = count + 1, item.uri
    if count != keys:
        raise AssertionError(f"{count} of {keys} keys were listed")
    return time.perf_counter() - began, time.process_time() - worked


@contextmanager
def _serving(keys: int, delay_ms: int) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "tests.bench.listing", "serve", str(keys), str(delay_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None or server.stdin is None:
            raise AssertionError("both are pipes")
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",  # the endpoint checks none
            "AWS_REGION": "eu-west-1",
        }
        server.stdin.close()


async def serve(keys: int, delay_ms: int) -> None:
    """Answer ListObjectsV2 of a flat folder until standard input ends."""
    names = [f"{_FOLDER}IMG_2024{number:08d}.jpg" for number in range(keys)]

    def page(query: dict[str, str]) -> str:
        after = query.get("continuation-token", query.get("start-after", ""))
        start, most = bisect_right(names, after), int(query.get("max-keys", _PAGE))
        found = names[start : start + most]
        more = start + most < len(names)
        entries = "".join(
            f"<Contents><Key>{name}</Key><Size>5000</Size><ETag>&quot;{name[-16:-4]}&quot;</ETag></Contents>"
            for name in found
        )
        token = f"<NextContinuationToken>{found[-1]}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return f"<ListBucketResult>{truncated}{token}{entries}</ListBucketResult>"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            asked = parse_qs(urlsplit(request.split()[1].decode()).query)
            body = page({name: values[0] for name, values in asked.items()}).encode()
            await asyncio.sleep(delay_ms / 1000)
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2]), int(sys.argv[3])))
    else:
        sys.stdout.write("{} {}".format(*list_all(int(sys.argv[2]))))
