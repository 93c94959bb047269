"""Which objects are images, and which keys can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.documents import UnreadableError
from lambdas.contract.listing_summary import SUFFIXES_KEPT, ListingSummary, key_of
from lambdas.contract.object_keys import (
    MAX_KEY_BYTES,
    Kind,
    archived_in,
    key_problem,
    kind_of,
    printable,
    suffix_of,
)

SUFFIXES = (".jpg", ".png")
EMPTY = "holds an empty folder name ('//', or '/' as its first character)"
DOTS = "holds '.' or '..' as the name of a folder or file"
CONTROL = "holds a control character"
TOO_LONG = "has a key of more than 1024 bytes, S3's limit"


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("images/apple//2.jpg", EMPTY),
        ("images//", EMPTY),
        ("/", EMPTY),
        ("/images/2.jpg", EMPTY),
        ("images/./2.jpg", DOTS),
        ("./2.jpg", DOTS),
        ("images/apple/../2.jpg", DOTS),
        ("images/..", DOTS),
        ("images/tab\t2.jpg", CONTROL),
        ("images/new\nline.jpg", CONTROL),
        ("images/nul\0.jpg", CONTROL),
        ("images/del\x7f2.jpg", CONTROL),
        ("images//tab\t.jpg", CONTROL),
        ("k" * 1025, TOO_LONG),
        (chr(0x2603) * 342, TOO_LONG),  # three bytes of UTF-8 each
    ],
)
def test_a_key_that_no_store_client_can_ask_for_is_told_why(key: str, problem: str) -> None:
    assert key_problem(key) == problem


@pytest.mark.parametrize(
    "key",
    [
        "",
        "images/",
        "images/.../2.jpg",
        "images/..jpg",
        "images/.hidden/a.jpg",
        "images/a..b/.jpg",
        "images/back\\slash.jpg",
        "images/a b%20c+d?e#f&g~.jpg",
        "images/\N{SNOWMAN}.jpg",
        "k" * 1024,
        chr(0x2603) * 341,
        "\ud800" * 1024,
    ],
)
def test_every_other_key_can_be_read(key: str) -> None:
    assert key_problem(key) is None


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("images/a.jpg", Kind.IMAGE),
        ("images/A.JPG", Kind.IMAGE),
        ("images/my.DS_Store.jpg", Kind.IMAGE),
        ("images/MACOSX/a.jpg", Kind.IMAGE),
        ("images/a._b.jpg", Kind.IMAGE),
        ("images/__MACOSX/apple/a.jpg", Kind.JUNK),
        ("__MACOSX/a.jpg", Kind.JUNK),
        ("images/apple/._a.jpg", Kind.JUNK),
        ("._a.jpg", Kind.JUNK),
        ("images/apple/.DS_Store", Kind.JUNK),
        ("images/apple/thumbs.db", Kind.JUNK),
        ("images/apple/Desktop.ini", Kind.JUNK),
        ("images/cat.jpg/", Kind.PLACEHOLDER),
        ("images//", Kind.PLACEHOLDER),
        ("images/notes.txt", Kind.OTHER_SUFFIX),
        ("images/apple/2.jpg/.", Kind.OTHER_SUFFIX),
        ("images/tab\t.txt", Kind.OTHER_SUFFIX),
        ("images//a.jpg", Kind.UNADDRESSABLE),
        ("images/tab\t.jpg", Kind.UNADDRESSABLE),
    ],
)
def test_what_an_object_is_follows_from_its_key_and_oddities_matter_for_images_only(
    key: str, kind: Kind
) -> None:
    assert kind_of(key, SUFFIXES) is kind


KEYS = st.lists(
    st.sampled_from(
        [
            "a",
            "b.jpg",
            "c.PNG",
            "d.webp",
            "._e.jpg",
            "__MACOSX",
            ".DS_Store",
            "",
            ".",
            "..",
            "t\t.jpg",
            "\\.jpg",
        ]
    )
    | st.text(max_size=4),
    min_size=1,
    max_size=4,
).map("/".join)


@given(keys=st.lists(KEYS, max_size=30), first=st.integers(0, 30))
def test_all_that_is_listed_is_counted_once_in_one_summary_or_in_parts(keys: list[str], first: int) -> None:
    whole, part, rest = ListingSummary(), ListingSummary(), ListingSummary()
    kinds = [whole.add(f"s3://bkt/{key}", SUFFIXES) for key in keys]
    assert kinds == [kind_of(key, SUFFIXES) for key in keys]
    assert whole.listed == len(keys) == whole.images + sum(whole.skipped.values())
    assert whole.images == sum(kind in (Kind.IMAGE, Kind.UNADDRESSABLE) for kind in kinds)
    assert whole.unreadable == whole.unaddressable == kinds.count(Kind.UNADDRESSABLE)
    assert sum(whole.suffixes.values()) == kinds.count(Kind.OTHER_SUFFIX)
    for number, key in enumerate(keys):
        (part if number < first else rest).add(f"s3://bkt/{key}", SUFFIXES)
    part.merge(rest)
    assert part == whole == ListingSummary.from_json(whole.to_json())
    assert all(note == printable(note) for note in whole.notes())


def test_names_that_end_in_numbers_do_not_fill_the_memory() -> None:
    summary = ListingSummary()
    for number in range(10 * SUFFIXES_KEPT):
        summary.add(f"s3://bkt/scan.{number:04d}", SUFFIXES)
    assert len(summary.suffixes) <= SUFFIXES_KEPT + 1
    assert summary.skipped == {Kind.OTHER_SUFFIX: 10 * SUFFIXES_KEPT}


def test_what_was_left_out_skipped_or_cannot_be_read_is_told_with_counts_examples_and_remedies() -> None:
    summary = ListingSummary()
    listed = [*[f"{n}.webp" for n in range(500)], *[f"{n}.jfif" for n in range(20)], "a.jpg", "notes.txt"]
    for key in [*listed, "._a.jpg", "x/", "t\tb.jpg", "apple\\3.jpg"]:
        summary.add(f"s3://bkt/{key}", SUFFIXES)
    summary.add("s3://bkt/ice.jpg", SUFFIXES, archived_in="DEEP_ARCHIVE")
    assert summary.notes() == (
        "521 objects were left out for the suffix (.webp 500, .jfif 20, .txt 1); images.suffixes would take "
        ".webp, .jfif.",
        "1 object was skipped as what file managers leave behind (__MACOSX/, ._*, .DS_Store, Thumbs.db, "
        "desktop.ini).",
        "1 object was skipped for a key that ends with '/', as a folder's placeholder.",
        "1 image is quarantined, because no store client can address such a key: 's3://bkt/t\\tb.jpg' "
        "holds a control character. Rename what is to be read.",
        "1 image is quarantined unless restored meanwhile: archived in DEEP_ARCHIVE (1), for example "
        "'s3://bkt/ice.jpg'. To have features of such an image, restore it (`aws s3api restore-object`) or "
        "copy it to another class, then start a new run.",
        "1 key holds a backslash, for example 's3://bkt/apple\\3.jpg': S3 divides folders by '/' alone. "
        "Where it is in the name behind the last '/', parent_folder gives no label. Rename what was meant as "
        "a folder.",
    )
    assert ListingSummary(images=3).notes() == ()


def test_more_than_one_image_that_cannot_be_read_is_told_as_many() -> None:
    summary = ListingSummary()
    for key in ("t\tb.jpg", "t\tc.jpg"):
        summary.add(f"s3://bkt/{key}", SUFFIXES)
    (note,) = summary.notes()
    assert note.startswith("2 images are quarantined, because no store client can address such a key: ")


def test_suffixes_that_are_as_frequent_are_told_in_the_order_of_the_alphabet() -> None:
    summary = ListingSummary()
    for key in ("1.txt", "2.csv", "3.md", "4.md"):
        summary.add(f"s3://bkt/{key}", SUFFIXES)
    assert summary.counts_by_suffix() == ".md 2, .csv 1, .txt 1"


def test_of_archived_objects_those_can_be_read_that_were_restored() -> None:
    assert archived_in("GLACIER", restored=False) == "GLACIER"
    assert archived_in("GLACIER", restored=True) is None
    assert archived_in("STANDARD", restored=False) is None
    assert archived_in(None, restored=False) is None


def test_the_same_listing_is_the_same_summary_whatever_its_order() -> None:
    there, back = ListingSummary(), ListingSummary()
    keys = ["a.txt", "b.csv", "c/", "._d.jpg"]
    for key, other in zip(keys, reversed(keys), strict=True):
        there.add(f"s3://bkt/{key}", SUFFIXES)
        back.add(f"s3://bkt/{other}", SUFFIXES)
    assert there.to_json() == back.to_json()


@pytest.mark.parametrize("text", ["{", "[]", '{"images": "3"}', '{"version": 2}'])
def test_a_summary_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match=r"^ListingSummary"):
        ListingSummary.from_json(text)


@pytest.mark.parametrize(
    ("key", "suffix"),
    [
        ("a.JPG", ".jpg"),
        ("a.tar.gz", ".gz"),
        ("a", "none"),
        ("a.b/c", "none"),
        (".jpg", "none"),
        ("a.é", "none"),
    ],
)
def test_a_suffix_is_what_a_manifest_could_name(key: str, suffix: str) -> None:
    assert suffix_of(f"images/{key}") == suffix


@pytest.mark.parametrize("uri", ["s3://bkt/a/b.jpg", "file:///a/b.jpg"])
def test_the_key_of_an_address_is_what_follows_its_root(uri: str) -> None:
    assert key_of(uri) == "a/b.jpg"


def test_a_key_may_look_like_an_address_itself() -> None:
    assert key_of("s3://bkt/a://b/c.jpg") == "a://b/c.jpg"


def test_what_is_taken_by_its_name_is_counted_as_often_as_it_is_seen() -> None:
    listing = ListingSummary()
    for number in range(2):
        listing.take(f"s3://bkt/a\\{number}.jpg")
        listing.take(f"s3://bkt/{number}.jpg", "GLACIER")
    assert (listing.images, listing.backslashes, listing.archived) == (4, 2, {"GLACIER": 2})


def test_the_longest_key_that_s3_allows_is_the_longest_that_is_read() -> None:
    assert key_problem("é" * (MAX_KEY_BYTES // 2)) is None
    assert key_problem("é" * (MAX_KEY_BYTES // 2) + "a") == TOO_LONG
