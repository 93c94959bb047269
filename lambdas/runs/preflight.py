"""Looking at the buckets that a manifest names before anything is paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath

from lambdas.contract import s3uri
from lambdas.contract.layout import IMAGES
from lambdas.contract.manifest.faults import Fault, nearest
from lambdas.contract.manifest.schema import Images
from lambdas.contract.regions import allowed_regions, region_problem
from lambdas.runs.ports import BucketDenied, BucketMissing, Buckets

COUNT_LIMIT = 1_000_000
"""Counting stops here, after some two minutes; an estimate of the cost is a lower bound from there on."""
PAGES_PER_PREFIX = 1_200
"""At most 1,200,000 objects are looked at below one prefix in search of images."""
KEYS_CHECKED = 100
"""Explicit keys whose existence is checked; what is missing among the rest is quarantined by the run."""


@dataclass(frozen=True)
class Preflight:
    """``images_listed`` is exact below ``COUNT_LIMIT`` and a lower bound from there on."""

    faults: tuple[Fault, ...]
    images_listed: int


@dataclass(frozen=True)
class _Place:
    path: str
    uri: str
    bucket: str
    key: str


@dataclass
class _Count:
    images: int = 0
    objects: int = 0
    complete: bool = False
    suffixes_seen: Counter[str] = field(default_factory=Counter)


def preflight(
    images: Images, data_bucket: str, buckets: Buckets, out_of_time: Callable[[], bool]
) -> Preflight:
    """Check that every place is allowed, readable and not empty, and count the images.

    ``out_of_time`` ends the counting early; what was not reached is left to the run.
    """
    places = list(_places(images))
    faults = [*_misplaced(places, data_bucket), *_closed_buckets(places, data_bucket, buckets)]
    if faults:
        return Preflight(tuple(faults), 0)
    if images.keys:
        return Preflight(tuple(_missing_keys(places, buckets)), len(places))
    total = 0
    for place in places:
        try:
            count = _count(place, images.suffixes, buckets, total, out_of_time)
        except BucketDenied:
            faults.append(_denied(place))
            continue
        total += count.images
        if not count.images and count.complete:
            faults.append(_nothing_found(place, images.suffixes, count, buckets))
    return Preflight(tuple(faults), total)


def _places(images: Images) -> Iterator[_Place]:
    name, uris = ("keys", images.keys) if images.keys else ("prefixes", images.prefixes)
    for index, uri in enumerate(uris):
        yield _Place(f"$.images.{name}[{index}]", uri, *s3uri.split(uri))


def _misplaced(places: list[_Place], data_bucket: str) -> Iterator[Fault]:
    """In our own bucket, what is not below ``images/`` is a run's output or closed to the steps."""
    for place in places:
        if place.bucket == data_bucket and not place.key.startswith(IMAGES):
            yield Fault(
                place.path,
                f"is {place.uri}, but in this bucket images are below {IMAGES} only",
                f"Copy the images to s3://{data_bucket}/{IMAGES}... and name that place.",
                f"s3://{data_bucket}/{IMAGES}{place.key}",
            )


def _closed_buckets(places: list[_Place], data_bucket: str, buckets: Buckets) -> Iterator[Fault]:
    home = buckets.region(data_bucket)
    first_of_bucket: dict[str, _Place] = {}
    for place in places:
        first_of_bucket.setdefault(place.bucket, place)
    for bucket, place in first_of_bucket.items():
        try:
            region: str | None = buckets.region(bucket)
            denied = False
        except BucketMissing:
            yield Fault(place.path, f"names the bucket {bucket}, which does not exist", "Correct its name.")
            continue
        except BucketDenied as error:
            region, denied = error.region, True
        if region and (problem := region_problem(region)):
            yield Fault(
                place.path,
                f"names the bucket {bucket}, but its {problem}",
                f"Copy the images to a bucket in one of: {allowed_regions()}.",
            )
        elif denied:
            yield _denied(place)
        elif region != home:
            # The steps' S3 client signs for one region, and reading across regions is paid by the byte.
            yield Fault(
                place.path,
                f"names the bucket {bucket} in {region}, but the stack runs in {home}",
                f"Copy the images to a bucket in {home}, or deploy the stack in {region}.",
            )


def _denied(place: _Place) -> Fault:
    return Fault(
        place.path,
        f"is {place.uri}, but the stack may not list the bucket {place.bucket} there",
        "Check the name. If it is right, add the bucket to the stack's `imageBuckets` and run `pulumi up`.",
    )


def _missing_keys(places: list[_Place], buckets: Buckets) -> Iterator[Fault]:
    for place in places[:KEYS_CHECKED]:
        try:
            # Listing, not HEAD: that would need permission to read the images themselves.
            found = next(buckets.pages(place.bucket, place.key), ())
        except BucketDenied:
            yield _denied(place)
            continue
        if place.key not in found[:1]:
            yield Fault(
                place.path,
                f"is {place.uri}, but there is no such object",
                "Correct the key or remove it.",
                nearest(place.uri, [f"{s3uri.SCHEME}{place.bucket}/{key}" for key in found]),
            )


def _count(
    place: _Place, suffixes: tuple[str, ...], buckets: Buckets, total: int, out_of_time: Callable[[], bool]
) -> _Count:
    endings = tuple(suffix.lower() for suffix in suffixes)
    count = _Count()
    for keys in islice(buckets.pages(place.bucket, place.key), PAGES_PER_PREFIX):
        for key in keys:
            if key.endswith("/"):
                continue  # what consoles create to show an empty folder
            count.objects += 1
            if key.lower().endswith(endings):
                count.images += 1
            else:
                count.suffixes_seen[PurePosixPath(key).suffix.lower() or "none"] += 1
        if out_of_time() or (count.images and total + count.images >= COUNT_LIMIT):
            return count
    count.complete = True
    return count


def _nothing_found(place: _Place, suffixes: tuple[str, ...], count: _Count, buckets: Buckets) -> Fault:
    wanted = ", ".join(suffixes)
    if count.objects:
        seen = ", ".join(suffix for suffix, _ in count.suffixes_seen.most_common(5))
        return Fault(
            place.path,
            f"is {place.uri}, where no image was found: {count.objects:,} objects, but none ends in "
            f"{wanted}; suffixes seen: {seen}",
            "Set images.suffixes to the endings of your images, or name another prefix.",
        )
    return Fault(
        place.path,
        f"is {place.uri}, where no image was found: there is nothing below it",
        "Upload the images first, or correct the prefix.",
        _nearest_folder(place, buckets),
    )


def _nearest_folder(place: _Place, buckets: Buckets) -> str | None:
    parent, _, _ = place.key.rstrip("/").rpartition("/")
    try:
        siblings = buckets.folders(place.bucket, f"{parent}/" if parent else "")
    except BucketDenied:
        return None
    return nearest(place.uri, [f"{s3uri.SCHEME}{place.bucket}/{folder}" for folder in siblings])
