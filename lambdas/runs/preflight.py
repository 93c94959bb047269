"""Looking at the buckets that a manifest names before anything is paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from lambdas.contract import s3uri
from lambdas.contract.layout import IMAGES, PCA_MODELS, PCA_SUMMARY
from lambdas.contract.listing_summary import HOW_TO_RESTORE, ListingSummary
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
    """``listing``: what was counted, exact below ``COUNT_LIMIT`` and a lower bound from there on."""

    faults: tuple[Fault, ...]
    listing: ListingSummary = field(default_factory=ListingSummary)

    @property
    def images_listed(self) -> int:
        """Images of the run, those that are known to end in the quarantine among them."""
        return self.listing.images


@dataclass(frozen=True)
class _Place:
    path: str
    uri: str
    bucket: str
    key: str


def preflight(
    images: Images, data_bucket: str, buckets: Buckets, out_of_time: Callable[[], bool]
) -> Preflight:
    """Check that every place is allowed, readable and not empty, and count the images.

    ``out_of_time`` ends the counting early; what was not reached is left to the run.
    """
    places = list(_places(images))
    faults = [*_misplaced(places, data_bucket), *_closed_buckets(places, data_bucket, buckets)]
    if faults:
        return Preflight(tuple(faults))
    listing = ListingSummary()
    if images.keys:
        faults += _missing_keys(places, buckets, listing)
    else:
        faults += _empty_prefixes(places, images.suffixes, buckets, listing, out_of_time)
    counted_all = listing.images < COUNT_LIMIT and not out_of_time()
    if not faults and counted_all and listing.images and listing.unreadable == listing.images:
        faults.append(_nothing_readable(places[0], listing))
    return Preflight(tuple(faults), listing)


def model_faults(uri: str, data_bucket: str, buckets: Buckets) -> list[Fault]:
    """Why there is no fitted model below ``uri``; it would be missed only when all features are computed."""
    path = "$.pca.model"
    place = _Place(path, uri, *s3uri.split(uri))
    summary = f"{place.key}{PCA_SUMMARY}"
    if faults := list(_closed_buckets([place], data_bucket, buckets)):
        return faults
    try:
        found = next(buckets.pages(place.bucket, summary), ())
        if found and found[0].key == summary:
            return []
        like = _nearest_folder(place, buckets)
    except BucketDenied:
        return [_denied(place)]
    return [
        Fault(
            path,
            f"is {uri}, where no run has saved a model",
            f"Name the folder below {PCA_MODELS} of a completed run, or leave pca.model out.",
            like,
        )
    ]


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
                f"Copy what it holds to a bucket in one of: {allowed_regions()}.",
            )
        elif denied:
            yield _denied(place)
        elif region != home:
            # The steps' S3 client signs for one region, and reading across regions is paid by the byte.
            yield Fault(
                place.path,
                f"names the bucket {bucket} in {region}, but the stack runs in {home}",
                f"Copy what it holds to a bucket in {home}, or deploy the stack in {region}.",
            )


def _denied(place: _Place) -> Fault:
    return Fault(
        place.path,
        f"is {place.uri}, but the stack may not list the bucket {place.bucket} there",
        "Check the name. If it is right, add the bucket to the stack's `imageBuckets` and run `pulumi up`.",
    )


def _missing_keys(places: list[_Place], buckets: Buckets, listing: ListingSummary) -> Iterator[Fault]:
    for place in places[:KEYS_CHECKED]:
        try:
            # Listing, not HEAD: that would need permission to read the images themselves.
            found = next(buckets.pages(place.bucket, place.key), ())
        except BucketDenied:
            yield _denied(place)
            continue
        if found and found[0].key == place.key:
            listing.take(place.uri, found[0].archived_in)
            continue
        yield Fault(
            place.path,
            f"is {place.uri}, but there is no such object",
            "Correct the key or remove it.",
            nearest(place.uri, [f"{s3uri.SCHEME}{place.bucket}/{item.key}" for item in found]),
        )
    for place in places[KEYS_CHECKED:]:
        listing.take(place.uri)


def _empty_prefixes(
    places: list[_Place],
    suffixes: tuple[str, ...],
    buckets: Buckets,
    listing: ListingSummary,
    out_of_time: Callable[[], bool],
) -> Iterator[Fault]:
    """Count what is below all of the prefixes into ``listing``; faults of those without an image."""
    endings = tuple(suffix.lower() for suffix in suffixes)
    for place in places:
        here = ListingSummary()
        try:
            complete = _count(place, endings, buckets, here, listing.images, out_of_time)
        except BucketDenied:
            yield _denied(place)
            continue
        listing.merge(here)
        if not here.images and complete:
            yield _nothing_found(place, suffixes, here, buckets)


def _count(
    place: _Place,
    endings: tuple[str, ...],
    buckets: Buckets,
    here: ListingSummary,
    earlier: int,
    out_of_time: Callable[[], bool],
) -> bool:
    """Count what is below a prefix into ``here``; whether all was. ``earlier``: other prefixes' images."""
    base = f"{s3uri.SCHEME}{place.bucket}/"
    for page in islice(buckets.pages(place.bucket, place.key), PAGES_PER_PREFIX):
        for key, archived_in in page:
            here.add(base + key, endings, archived_in)
        if out_of_time() or (here.images and earlier + here.images >= COUNT_LIMIT):
            return False
    return True


def _nothing_readable(place: _Place, listing: ListingSummary) -> Fault:
    """Every image is known to end in the quarantine. ``place``: the first of all."""
    path = place.path.removesuffix("[0]")
    images = (
        "1 image, which cannot" if listing.images == 1 else f"{listing.images:,} images, of which none can"
    )
    problem = f"name {images} be read. {' '.join(listing.notes())}"
    remedy = HOW_TO_RESTORE if listing.archived else "rename the objects and upload the manifest again"
    return Fault(path, problem, f"{remedy[0].upper()}{remedy[1:]}.")


def _nothing_found(place: _Place, suffixes: tuple[str, ...], here: ListingSummary, buckets: Buckets) -> Fault:
    wanted = ", ".join(suffixes)
    if here.suffixes:
        count = sum(here.suffixes.values())
        objects = "1 object" if count == 1 else f"{count:,} objects"
        return Fault(
            place.path,
            f"is {place.uri}, where no image was found: {objects}, but none ends in "
            f"{wanted}; suffixes seen: {here.counts_by_suffix()}",
            "Set images.suffixes to the endings of your images, or name another prefix.",
        )
    if here.listed:
        return Fault(
            place.path,
            f"is {place.uri}, where no image was found. {' '.join(here.notes())}",
            "Upload the images first, or name another prefix.",
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
    others = [folder for folder in siblings if folder != place.key]
    return nearest(place.uri, [f"{s3uri.SCHEME}{place.bucket}/{folder}" for folder in others])
