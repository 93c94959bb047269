"""Mistakes in a manifest, and what people read of each: its place, problem, remedy and what was meant."""

from __future__ import annotations

from typing import Any

from lambdas.contract.cost.prices import INSTANCE_TYPES

KEYS = (
    "Known keys here: version, dataset, images, label, model, pca, engine, outputs, cluster, limits, "
    "when_deleted, notify."
)
TYPES = f"Use one of: {', '.join(INSTANCE_TYPES)}."
DATASET = (
    ', for example "fruits-360". Names the results: lower-case letters, digits and hyphens, at most 63, no '
    "hyphen first."
)
A, B = "s3://bkt/a/", "s3://bkt/a/b/"

MESSAGES: list[tuple[dict[str, Any], str, str, str, str | None]] = [
    ({"engin": 1}, "$.engin", "is not a known key", f"Did you mean engine? {KEYS}", "engine"),
    ({"zzz": 1}, "$.zzz", "is not a known key", f"Remove it. {KEYS}", None),
    (
        {"components": 1},
        "$.components",
        "is not a known key",
        f"Did you mean pca.components? {KEYS}",
        "pca.components",
    ),
    (
        {"label": {"regex": "(a)", "x": 1}},
        "$.label.x",
        "is not a known key",
        "Remove it. Known keys here: regex.",
        None,
    ),
    (
        {"engine": "fst"},
        "$.engine",
        'is the text "fst"; it must be one of: fast, reference',
        "Did you mean fast?",
        "fast",
    ),
    (
        {"engine": None},
        "$.engine",
        "is null; it must be one of: fast, reference",
        "Write one of: fast, reference.",
        None,
    ),
    (
        {"version": "1"},
        "$.version",
        'is the text "1"; it must be a whole number, without quotes',
        "Correct it, for example 1. The schema's version.",
        None,
    ),
    ({"dataset": 7}, "$.dataset", "is 7; it must be a text in double quotes", f"Correct it{DATASET}", None),
    (
        {"dataset": "A"},
        "$.dataset",
        'is the text "A", which does not have the right form',
        f"Correct it{DATASET}",
        None,
    ),
    (
        {"images": []},
        "$.images",
        "is a list; it must be an object: {...}",
        'Correct it, for example {"prefixes": ["s3://my-bucket/images/"]}. Where the images are.',
        None,
    ),
    (
        {"images": {}},
        "$.images",
        "names no images",
        'Add "prefixes": ["s3://<bucket>/images/"], or "keys" with single images.',
        None,
    ),
    (
        {"images": {"prefixes": []}},
        "$.images.prefixes",
        "is an empty list",
        "List at least 1, or leave the key out.",
        None,
    ),
    (
        {"images": {"prefixes": "s3"}},
        "$.images.prefixes",
        'is the text "s3"; it must be a list: [...]',
        "Correct it, for example [\"s3://my-bucket/images/\"]. S3 folders, each ending with '/'. Everything "
        "below with a listed suffix is an image.",
        None,
    ),
    (
        {"images": {"prefixes": ["http://a"]}},
        "$.images.prefixes[0]",
        'is the text "http://a", which does not start with s3://',
        "Write s3://<bucket>/<path>.",
        None,
    ),
    (
        {"images": {"prefixes": ["s3://bkt/a"]}},
        "$.images.prefixes[0]",
        "is the text \"s3://bkt/a\", which does not end with '/', so it would also match longer names",
        "End the prefix with '/'.",
        "s3://bkt/a/",
    ),
    (
        {"images": {"prefixes": [f"s3://bkt/{number}/" for number in range(11)]}},
        "$.images.prefixes",
        "has 11 entries; the most is 10",
        "Shorten the list.",
        None,
    ),
    (
        {"images": {"prefixes": [B, A]}},
        "$.images.prefixes",
        f"holds {B} and {A}: images below both would be counted twice",
        f"Keep {A} alone, or name folders that do not contain one another.",
        None,
    ),
    (
        {"images": {"prefixes": [A, A]}},
        "$.images.prefixes",
        f"names {A} more than once",
        "Name it once.",
        None,
    ),
    (
        {"images": {"prefixes": [A], "keys": ["s3://bkt/c"]}},
        "$.images",
        "has both prefixes and keys",
        "Keep one of them.",
        None,
    ),
    (
        {"images": {"keys": ["s3://bkt/c"], "suffixes": [".png"]}},
        "$.images",
        "has suffixes beside keys, but explicit keys are taken as they are",
        "Remove suffixes.",
        None,
    ),
    (
        {"images": {"keys": [A]}},
        "$.images.keys[0]",
        f'is the text "{A}", which names no object',
        "Use images.prefixes for whole folders.",
        None,
    ),
    (
        {"label": {"regex": "("}},
        "$.label.regex",
        'is the text "(", which is no regular expression: missing ): (',
        "Correct it; the syntax is RE2's, and JSON wants every backslash twice.",
        None,
    ),
    (
        {"label": {"regex": "(?<=/)([a-z]+)"}},
        "$.label.regex",
        'is the text "(?<=/)([a-z]+)", which looks ahead or behind, which is not supported: such a search '
        "may take for ever",
        "Correct it; the syntax is RE2's, and JSON wants every backslash twice.",
        None,
    ),
    (
        {"label": {"regex": "(a)\\1"}},
        "$.label.regex",
        'is the text "(a)\\\\1", which refers back to a group, which is not supported: such a search may '
        "take for ever",
        "Correct it; the syntax is RE2's, and JSON wants every backslash twice.",
        None,
    ),
    (
        {"label": {"regex": "(a)\\Z"}},
        "$.label.regex",
        'is the text "(a)\\\\Z", which holds \\Z, which is not supported: write $ for the end of the path',
        "Correct it; the syntax is RE2's, and JSON wants every backslash twice.",
        None,
    ),
    (
        {"images": {"keys": ["s3://bkt/a//b.jpg"]}},
        "$.images.keys[0]",
        "is the text \"s3://bkt/a//b.jpg\", which holds an empty folder name ('//', or '/' as its first "
        "character); no store client can address such a key",
        "If that is its key, copy the object to another one, and name that.",
        None,
    ),
    (
        {"images": {"keys": ["s3://bkt/del\x7f.jpg"]}},
        "$.images.keys[0]",
        'is the text "s3://bkt/del\\x7f.jpg", which holds a control character; no store client can address '
        "such a key",
        "If that is its key, copy the object to another one, and name that.",
        None,
    ),
    (
        {"images": {"prefixes": ["s3://bkt/a/../b/"]}},
        "$.images.prefixes[0]",
        "is the text \"s3://bkt/a/../b/\", which holds '.' or '..' as the name of a folder or file; no store "
        "client can address such a key",
        "If that is its key, copy the object to another one, and name that.",
        None,
    ),
    (
        {"label": {"regex": "a"}},
        "$.label.regex",
        'is the text "a", which has no group',
        "Put parentheses around the part of the path that is the label.",
        "(a)",
    ),
    (
        {"label": {"regex": f"({'a' * 199})"}},
        "$.label.regex",
        f'is the text "({"a" * 76}...", 201 characters; it may have 200 characters',
        "Shorten it.",
        None,
    ),
    (
        {"label": {}},
        "$.label.regex",
        "is missing",
        'Add it, for example "/([^/]+)_[0-9]+\\\\.jpg$". A regular expression of RE2\'s with at least one '
        "group, searched in the image's S3 URI.",
        None,
    ),
    (
        {"pca": {"components": 0}},
        "$.pca.components",
        "is 0; the smallest value is 1",
        "Write 1 or more.",
        "1",
    ),
    (
        {"pca": {"components": 1281}},
        "$.pca.components",
        "is 1281; the largest value is 1280",
        "Write 1280 or less.",
        "1280",
    ),
    (
        {"pca": {"variance": 0}},
        "$.pca.variance",
        "is 0; it must be more than 0",
        "Correct it, for example 0.9. As many as hold this fraction of the total variance.",
        None,
    ),
    (
        {"pca": {"variance": 1.0}},
        "$.pca.variance",
        "is 1.0; it must be less than 1",
        "Correct it, for example 0.9. As many as hold this fraction of the total variance.",
        None,
    ),
    ({"pca": {"variance": None}}, "$.pca.variance", "is null", "Leave the key out instead.", None),
    ({"pca": {"model": None}}, "$.pca.model", "is null", "Leave the key out instead.", None),
    (
        {"pca": {"variance": 0.9, "components": 5}},
        "$.pca",
        "has both components and variance",
        "Keep one of them.",
        None,
    ),
    (
        {"pca": {"model": A, "standardize": True, "components": 5}},
        "$.pca",
        "has components, standardize beside model, but an earlier run's model is applied as it is",
        "Keep model alone, or remove it.",
        None,
    ),
    (
        {"outputs": {"csv": 1}},
        "$.outputs.csv",
        "is 1; it must be true or false, without quotes",
        "Correct it. Also write the components as CSV, below Results_CSV/.",
        None,
    ),
    (
        {"cluster": {"instance_types": ["c7g.xlarge", "m5.xlarge", "m6g.xlarge"]}},
        "$.cluster.instance_types",
        "holds c7g.xlarge, m6g.xlarge (arm64) and m5.xlarge (x86_64), and the nodes of a cluster install the "
        "packages of one architecture",
        'Keep those of one: ["c7g.xlarge", "m6g.xlarge"] or ["m5.xlarge"].',
        '["c7g.xlarge", "m6g.xlarge"]',
    ),
    (
        {"cluster": {"instance_types": ["m8g.xlarge"]}},
        "$.cluster.instance_types[0]",
        'is the text "m8g.xlarge", an instance type whose price is not known here',
        TYPES,
        "m7g.xlarge",
    ),
    (
        {"cluster": {"instance_types": ["m5.xlrge"]}},
        "$.cluster.instance_types[0]",
        'is the text "m5.xlrge", an instance type whose price is not known here',
        TYPES,
        "m5.xlarge",
    ),
]
