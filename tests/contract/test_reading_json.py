"""Reading the JSON that a person wrote, and how its values and places are put into words."""

from __future__ import annotations

import pytest

from lambdas.contract.manifest.faults import (
    MAX_FAULTS,
    Fault,
    ManifestError,
    describe,
    json_path,
    nearest,
    shorten,
)
from lambdas.contract.manifest.json_reader import MAX_BYTES, read_json

from .test_manifest import faults_in

NOT_JSON = (
    "Correct that place and upload the manifest again. `python3 -m json.tool <file>` checks a file before it "
    "is uploaded."
)
UTF8 = "Save the file as UTF-8 and upload it again."


NOT_READ = [
    (b" \n", "is empty", "Upload a JSON object with at least version, dataset and images."),
    (
        b"\xef\xbb\xbf{}",
        "starts with a byte order mark",
        "Save the file as UTF-8 without BOM; upload it again.",
    ),
    (b"\xff\xfe{\x00}\x00", "is encoded in UTF-16", UTF8),
    (b"\xfe\xff\x00{\x00}", "is encoded in UTF-16", UTF8),
    (b'{"a": "\xe9"}', "is not UTF-8: byte 7 is 0xe9", UTF8),
    (b"\x80", "is not UTF-8: byte 0 is 0x80", UTF8),
    (
        b"[]",
        "is a list; it must be an object: {...}",
        "Compare the manifest with the published schema.",
    ),
    (b"[" * 100_000, "is nested too deeply", "A manifest has three levels at most."),
    (
        b'{"version": ' + b"1" * 5000 + b"}",
        "holds a number of thousands of digits",
        "Write a number of ordinary size.",
    ),
    (
        b" " * (MAX_BYTES + 1),
        "is larger than 1,048,576 bytes, the limit for a manifest",
        "Name a prefix (images.prefixes) instead of listing every key.",
    ),
    (b" " * MAX_BYTES, "is empty", "Upload a JSON object with at least version, dataset and images."),
    (
        b'{"version": 1',
        "is not JSON: line 1, column 14: expecting ',' delimiter; the text ends there",
        NOT_JSON,
    ),
    (
        b'{"version": 1,\n "dataset": fruits\n,\n "x": 1\n}',
        "is not JSON: line 2, column 13: expecting value; found fruits",
        NOT_JSON,
    ),
    (
        b'{"version": ' + b"f" * 40,
        f"is not JSON: line 1, column 13: expecting value; found {'f' * 27}...",
        NOT_JSON,
    ),
    (
        b'{"a": "\x01"}',
        'is not JSON: line 1, column 8: invalid control character; found \x01"}',
        NOT_JSON,
    ),
]


@pytest.mark.parametrize(("body", "problem", "remedy"), NOT_READ, ids=range(len(NOT_READ)))
def test_what_is_no_json_is_answered_with_these_words(body: bytes, problem: str, remedy: str) -> None:
    assert faults_in(body) == (Fault("$", problem, remedy),)


def test_what_can_be_read_is_read_and_its_faults_are_kept_for_later() -> None:
    document, faults = read_json(b'{"a": [1, NaN, {"b": 1, "b": [-Infinity]}], "c": 1e999, "d": 0.5}')
    assert list(document) == ["a", "c", "d"]
    assert sorted(faults, key=lambda fault: fault.path) == [
        Fault("$.a[1]", "is not a finite number", "Write an ordinary number."),
        Fault("$.a[2].b", "is given more than once", "Keep one of them."),
        Fault("$.a[2].b[0]", "is not a finite number", "Write an ordinary number."),
        Fault("$.c", "is not a finite number", "Write an ordinary number."),
    ]
    assert read_json(b'{"a": ["\\ud83d\\ude00", 1.5, true]}') == ({"a": ["\N{GRINNING FACE}", 1.5, True]}, [])


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"a": ["\\ud800"]}', "$.a[0]"),
        (b'{"a": "\\udfff"}', "$.a"),
        (b'{"a": {"x\\ud900": 1}}', '$.a["x\\\\ud900"]'),
    ],
)
def test_half_a_surrogate_pair_is_named_in_keys_and_texts(body: bytes, path: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_json(body)
    assert caught.value.faults == (
        Fault(path, "holds half of a surrogate pair, which is no character", "Write the character itself."),
    )


def test_a_place_is_a_json_path_with_odd_keys_quoted() -> None:
    assert json_path(()) == "$"
    assert json_path(("images", "prefixes", 0)) == "$.images.prefixes[0]"
    assert json_path(("a b", 'c"')) == '$["a b"]["c\\""]'


def test_keys_of_any_length_are_cut_in_the_path() -> None:
    assert json_path(("a b" * 100,)) == f'$["{("a b" * 26)[:77]}..."]'
    assert json_path(("k" * 100,)) == f'$["{"k" * 77}..."]'
    assert json_path(("k" * 80,)) == f"$.{'k' * 80}"


def test_texts_are_cut_to_eighty_characters_and_printable() -> None:
    assert (shorten("x" * 80), shorten("x" * 81)) == ("x" * 80, f"{'x' * 77}...")
    assert shorten("abcdefgh", 6) == "abc..."
    assert shorten("a\ud800b") == "a\\ud800b"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a\u00e9", 'the text "a\u00e9"'),
        ([1], "a list"),
        ({}, "an object"),
        (True, "true"),
        (None, "null"),
        (2.5, "2.5"),
        (2**64 - 1, "18446744073709551615"),
        (2**64, "a number of more than 19 digits"),
        (-(2**64), "a number of more than 19 digits"),
    ],
)
def test_a_value_is_described_in_words(value: object, words: str) -> None:
    assert describe(value) == words


def test_the_nearest_word_is_alike_in_any_case() -> None:
    assert nearest("WORKERS", ["Workers", "market"]) == "Workers"
    assert nearest("marke", ["workers", "market", "markets"]) == "market"
    assert nearest("xyz", ["workers"]) is None
    # Alike is six letters of ten.
    assert nearest("abcdefxxxx", ["abcdefyyyy"]) == "abcdefyyyy"
    assert nearest("abcdexxxxx", ["abcdeyyyyy"]) is None
    assert nearest("workers" + "x" * 10_000, ["workers"]) is None


def test_an_error_holds_the_first_fault_of_each_place_and_says_all() -> None:
    error = ManifestError(
        iter([Fault("$.a", "is x", "r"), Fault("$.b", "is y", "r"), Fault("$.a", "is z", "r")])
    )
    assert [fault.problem for fault in error.faults] == ["is x", "is y"]
    assert str(error) == "$.a is x; $.b is y"


def test_a_hundred_faults_are_said_and_of_more_their_number() -> None:
    def faults(count: int) -> tuple[Fault, ...]:
        return ManifestError(Fault(f"$.k[{number}]", "is x", "r") for number in range(count)).faults

    assert len(faults(MAX_FAULTS)) == 100
    assert {fault.problem for fault in faults(MAX_FAULTS)} == {"is x"}
    more = faults(MAX_FAULTS + 1)
    assert (len(more), more[98].path) == (100, "$.k[98]")
    assert more[-1] == Fault("$", "has 2 more faults", "Correct these first and upload the manifest again.")
