"""``make fuzz``: break pictures of every format in thousands of ways; none may do more than be refused.

Each mutation is decoded as a task does it. It counts as unhandled when anything is raised, and as wrong when
another decoder shows something else: libpng and libjpeg as TensorFlow brings them, where ``--compare`` asks
for them. The same seed makes the same mutations.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from spark.features.prefetch import Decoded, decode_fetched
from spark.images.limits import DECODING_BYTES
from spark.images.resize import pillow_bicubic
from tests.bench.memory import peak_rss_mb
from tests.spark.odd_corpus import corpus
from tests.spark.odd_files import PNG_SIGNATURE, chunk
from tests.spark.odd_jpegs import jpegs, webps
from tests.spark.pictures import encoded, photo

SIDE = 96
EDGES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\1\0\0")
SLOW_SECONDS = 20.0
"""No mutation of so few bytes may take longer: a decoder that goes round in circles."""
BOOKKEEPING_MB = 64
"""What the process may grow beside decoding: caches, and what malloc keeps."""


@dataclass
class Tally:
    """What became of the mutations, by format or reason, and which ones are faults."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    compared: int = 0
    grown_mb: float = 0.0


def seeds() -> dict[str, bytes]:
    """Pictures to break: all that are odd, and an ordinary one of each format."""
    plain = {kind: encoded(photo(1, 40, 30), kind) for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")}
    compressed = {f"TIFF {c}": encoded(photo(2), "TIFF", compression=c) for c in ("tiff_lzw", "jpeg")}
    odd = {case.name: case.data for case in [*corpus(), *jpegs(), *webps()] if len(case.data) < 20_000}
    return {**plain, **compressed, **odd}


def mutated(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """``data`` after one to four changes; of a PNG mostly with checksums that are right again."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if not data:
            break
        # Headers decide most, and are short.
        at = chance.randrange(min(len(data), 64) if chance.random() < 0.5 else len(data))
        length = chance.choice((1, 1, 2, 4, 16, 64))
        edge = chance.choice(EDGES)
        other = chance.choice(others)
        start = chance.randrange(len(other))
        data = chance.choice(
            (
                data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :],
                data[:at] + chance.randbytes(length) + data[at + length :],
                data[:at] + edge + data[at + len(edge) :],
                data[:at] + data[at + length :],
                data[:at] + chance.randbytes(length) + data[at:],
                data[:at] + data[at : at + length] * chance.randint(2, 20) + data[at + length :],
                data[:at] + other[start : start + length] + data[at + length :],
                data[: max(at, 1)],
            )
        )
    return with_checksums(data) if chance.random() < 0.8 else data


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have their right checksums, as far as they are chunks."""
    at, parts = len(PNG_SIGNATURE), [data[: len(PNG_SIGNATURE)]]
    if parts[0] != PNG_SIGNATURE:
        return data
    while at + 12 <= len(data) and (end := at + 12 + int.from_bytes(data[at : at + 4], "big")) <= len(data):
        parts.append(chunk(data[at + 4 : at + 8], data[at + 8 : end - 4]))
        at = end
    return b"".join(parts) + data[at:]


def mutations(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many, each with a name by which it is made again."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    pool = seeds()
    names, contents = list(pool), list(pool.values())
    for number in range(count):
        name = names[number % len(names)]
        yield f"seed {seed} mutation {number} of {name}", mutated(pool[name], contents, chance)


Shown = Callable[[bytes], np.ndarray | None]
"""Another decoder: uint8 [height, width, 3] on white, or null where it refuses, too."""


def fuzz(count: int, seed: int, shown: Shown | None = None) -> Tally:
    """Decode so many mutations."""
    tally = Tally()
    before = peak_rss_mb("self")
    for name, data in mutations(count, seed):
        began = time.monotonic()
        try:
            outcome = decode_fetched(data, SIDE, pillow_bicubic)
        except BaseException as error:
            tally.faults.append(f"{name}: unhandled {type(error).__name__}: {error}")
            continue
        if time.monotonic() - began > SLOW_SECONDS:
            tally.faults.append(f"{name}: took longer than {SLOW_SECONDS} s")
        tally.outcomes["decoded" if isinstance(outcome, Decoded) else str(outcome.rejected.reason)] += 1
        if shown and isinstance(outcome, Decoded) and (theirs := shown(data)) is not None:
            tally.compared += 1
            if differs(data, theirs):
                tally.faults.append(f"{name}: another decoder shows something else")
    tally.grown_mb = peak_rss_mb("self") - before
    if tally.grown_mb > DECODING_BYTES / 2**20 + BOOKKEEPING_MB:
        tally.faults.append(f"seed {seed}: the process grew by {tally.grown_mb:.0f} MB")
    return tally


def differs(data: bytes, theirs: np.ndarray) -> bool:
    """Whether ours is another picture, compared at its own size where that is a square."""
    side = theirs.shape[0]
    ours = decode_fetched(data, side, pillow_bicubic)
    return not isinstance(ours, Decoded) or bool(np.abs(ours.pixels.astype(int) - theirs).max() > 2)


def main() -> int:
    parser = argparse.ArgumentParser(description="Break pictures, and see that they are refused.")
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--compare", action="store_true", help="with TensorFlow's decoders of PNG and JPEG")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    # The C libraries tell the standard error of each fault that they find.
    sys.stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stdout.write(f"{options.mutations} mutations, seed {options.seed}\n")
    sys.stdout.flush()
    shown = None
    if options.compare:
        from tests.spark.other_decoder import shown
    tally = fuzz(options.mutations, options.seed, shown)
    for outcome, count in tally.outcomes.most_common():
        sys.stdout.write(f"  {count:7} {outcome}\n")
    sys.stdout.write(f"  {tally.compared:7} compared with another decoder\n")
    sys.stdout.write(f"  {tally.grown_mb:7.0f} MB more than before, at most\n")
    for fault in tally.faults:
        sys.stdout.write(f"FAULT {fault}\n")
    sys.stdout.write(f"{len(tally.faults)} faults\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
