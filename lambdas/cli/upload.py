"""Sending photos to the bucket, many at once; what is there unchanged is not sent again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from lambdas.aws.uploads import S3Uploads, Stored
from lambdas.cli.photo_folder import Photo

THREADS = 16
"""Requests at once: enough to wait for S3's answers together, few enough for one interpreter to serve."""
IN_MEMORY_BYTES = 8 * 1024**2
"""A larger file is read twice, to be hashed and to be sent, and never whole into memory."""


@dataclass(frozen=True)
class Job:
    """A photo, the key that it gets, and whether an object of that key and size is there already."""

    photo: Photo
    key: str
    seems_there: bool


Tell = Callable[[Photo, bool], None]
"""Called after each photo, from any thread, one at a time: which, and whether it had to be sent."""


def jobs(photos: Sequence[Photo], prefix: str, stored: Mapping[str, Stored]) -> list[Job]:
    """What has to be done for ``photos`` to be below ``prefix``, given what is."""
    return [_job(photo, stored.get(prefix + photo.name), prefix) for photo in photos]


def _job(photo: Photo, there: Stored | None, prefix: str) -> Job:
    return Job(photo, prefix + photo.name, seems_there=there is not None and there.size == photo.size)


def upload(uploads: S3Uploads, wanted: Sequence[Job], tell: Tell) -> None:
    """Bring every photo to its key.

    An object that seems to be there is compared by its hash, which costs a request instead of a photo.

    Raises:
        OSError: a photo cannot be read any more.
        ClientError, BotoCoreError: S3 refuses, or cannot be reached. The others are let finish first, as they
            are at ctrl-C.
    """
    waiting = iter(wanted)
    lock = threading.Lock()
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            with lock:
                job = next(waiting, None)
            if job is None:
                return
            sent = _bring(uploads, job)
            with lock:
                tell(job.photo, sent)

    with ThreadPoolExecutor(THREADS) as pool:
        workers = [pool.submit(work) for _ in range(THREADS)]
        try:
            for worker in as_completed(workers):
                worker.result()
        finally:
            over.set()


def _bring(uploads: S3Uploads, job: Job) -> bool:
    """Whether it had to be sent."""
    with job.photo.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        file.seek(0)
        # Of a file, botocore would first ask S3 whether it may be sent: a round trip a photo.
        body = file if job.photo.size > IN_MEMORY_BYTES else file.read()
        if job.seems_there and uploads.sha256(job.key) == digest:
            return False
        uploads.send(job.key, body, digest)
    return True
