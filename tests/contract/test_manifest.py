"""A manifest is either read completely or answered with faults that a person can act on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.contract.manifest import schema as manifest_module
from lambdas.contract.manifest.faults import MAX_FAULTS, Fault, ManifestError
from lambdas.contract.manifest.json_reader import MAX_BYTES
from lambdas.contract.manifest.json_schema import json_schema
from lambdas.contract.manifest.schema import Manifest, RegexLabel, parse_manifest
from lambdas.contract.manifest.workbench import WorkbenchManifest

SMALLEST: dict[str, Any] = {
    "version": 1,
    "dataset": "fruits-360",
    "images": {"prefixes": ["s3://my-bucket/images/"]},
}
FULL: dict[str, Any] = {
    **SMALLEST,
    "images": {"prefixes": ["s3://my-bucket/images/", "s3://other-bucket/x/"], "suffixes": [".jpg"]},
    "label": {"regex": "/([^/]+)_[0-9]+"},
    "model": {"name": "mobilenet_v2", "image_size": 96},
    "pca": {"variance": 0.9, "standardize": True},
    "engine": "reference",
    "outputs": {"csv": False},
    "cluster": {"workers": 3, "instance_types": ["m5.xlarge", "c5.xlarge"], "market": "spot"},
    "limits": {"max_runtime_minutes": 60, "max_cost_eur": 5},
    "notify": True,
}


def parse(document: object) -> Manifest:
    return parse_manifest(json.dumps(document).encode())


def faults_in(body: bytes) -> tuple[Fault, ...]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(body)
    return caught.value.faults


def faults_of(**changes: Any) -> tuple[Fault, ...]:
    return faults_in(json.dumps(SMALLEST | changes).encode())


def only_fault_of(**changes: Any) -> Fault:
    (fault,) = faults_of(**changes)
    return fault


@pytest.mark.parametrize("name", INSTANCE_TYPES)
def test_no_machine_has_a_price_that_the_wheels_do_not_fit(name: str) -> None:
    assert parse(SMALLEST | {"cluster": {"instance_types": [name]}}).cluster.instance_types == (name,)


def test_the_smallest_manifest_gets_the_documented_defaults() -> None:
    manifest = parse(SMALLEST)
    assert manifest.images.suffixes == (".jpg", ".jpeg", ".png")
    assert manifest.label == "parent_folder"
    assert (manifest.model.image_size, manifest.engine) == (224, "fast")
    assert (manifest.pca.components, manifest.pca.variance, manifest.pca.standardize) == (50, None, False)
    assert manifest.cluster.instance_types == ("m5.xlarge",)
    assert (manifest.limits.max_runtime_minutes, manifest.limits.max_cost_eur) == (120, 10.0)
    assert not manifest.notify


def test_every_field_can_be_given() -> None:
    manifest = parse(FULL)
    assert manifest.label == RegexLabel(regex="/([^/]+)_[0-9]+")
    assert manifest.pca.variance == 0.9
    assert manifest.cluster.market == "spot"


def test_a_manifest_cannot_be_changed_once_it_is_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse(SMALLEST).notify = True


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (
            b'{"version": 1,\n "dataset": fruits}',
            "is not JSON: line 2, column 13: expecting value; found fruits}",
        ),
        (b'{"version": 1', "is not JSON: line 1, column 14: expecting ',' delimiter; the text ends there"),
        (b"{'version': 1}", "is not JSON: line 1, column 2: expecting property name"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b'{"a": "\xe9"}', "is not UTF-8: byte 7 is 0xe9"),
        (b"[]", "is a list; it must be an object"),
        (b"null", "is null; it must be an object"),
        (b'"text"', 'is the text "text"; it must be an object'),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"version": ' + b"1" * 5000 + b"}", "thousands of digits"),
        (b" " * (MAX_BYTES + 1), "larger than 1,048,576 bytes"),
        (b'{"dataset": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_what_is_no_json_object_gets_one_fault_that_says_so(body: bytes, problem: str) -> None:
    (fault,) = faults_in(body)
    assert problem in fault.problem
    assert fault.path in ("$", "$.dataset")
    assert fault.remedy


def test_a_key_given_twice_is_named_wherever_it_is() -> None:
    body = b'{"version": 1, "dataset": "a", "images": {"keys": ["s3://bkt/a"], "keys": ["s3://bkt/b"]}}'
    (fault,) = faults_in(body)
    assert (fault.path, fault.problem) == ("$.images.keys", "is given more than once")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    body = json.dumps(SMALLEST | {"limits": {"max_cost_eur": "?"}}).replace('"?"', number)
    (fault,) = faults_in(body.encode())
    assert (fault.path, fault.problem) == ("$.limits.max_cost_eur", "is not a finite number")


@pytest.mark.parametrize(
    ("changes", "path", "nearest"),
    [
        ({"engin": "fast"}, "$.engin", "engine"),
        ({"Dataset": "x"}, "$.Dataset", "dataset"),
        ({"cluster": {"worker": 2}}, "$.cluster.worker", "workers"),
        ({"components": 50}, "$.components", "pca.components"),
        ({"engine": "fst"}, "$.engine", "fast"),
        ({"label": "parent-folder"}, "$.label", "parent_folder"),
        ({"cluster": {"market": "on-demand"}}, "$.cluster.market", "on_demand"),
        ({"cluster": {"instance_types": ["m5.xlrge"]}}, "$.cluster.instance_types[0]", "m5.xlarge"),
        ({"cluster": {"instance_types": ["m6gd.xlarge"]}}, "$.cluster.instance_types[0]", "m6g.xlarge"),
        ({"images": {"prefixes": ["s3://bkt/images"]}}, "$.images.prefixes[0]", "s3://bkt/images/"),
        ({"label": {"regex": "[a-z]+"}}, "$.label.regex", "([a-z]+)"),
        ({"zzz": 1}, "$.zzz", None),
        ({"a b": 1}, '$["a b"]', None),
    ],
)
def test_typing_mistakes_are_answered_with_the_nearest_known_word(
    changes: dict[str, Any], path: str, nearest: str | None
) -> None:
    fault = only_fault_of(**changes)
    assert (fault.path, fault.nearest) == (path, nearest)


@pytest.mark.parametrize(
    ("changes", "path", "problem"),
    [
        (
            {"pca": {"model": "s3://bkt/models/pca/d/r/", "components": 10}},
            "$.pca",
            "has components beside model, but an earlier run's model is applied as it is",
        ),
        (
            {"cluster": {"instance_types": ["m7g.xlarge", "m5.xlarge"]}},
            "$.cluster.instance_types",
            "and the nodes of a cluster install the packages of one architecture",
        ),
        ({"version": 2}, "$.version", "is 2; it must be one of: 1"),
        ({"version": True}, "$.version", "is true; it must be a whole number"),
        ({"version": "1"}, "$.version", 'is the text "1"; it must be a whole number'),
        ({"dataset": 7}, "$.dataset", "is 7; it must be a text"),
        ({"dataset": "Fruits 360"}, "$.dataset", "does not have the right form"),
        ({"dataset": "a" * 64}, "$.dataset", "does not have the right form"),
        ({"images": []}, "$.images", "is a list; it must be an object"),
        ({"images": {}}, "$.images", "names no images"),
        ({"images": {"prefixes": []}}, "$.images.prefixes", "is an empty list"),
        ({"images": {"prefixes": None}}, "$.images.prefixes", "is null; it must be a list"),
        ({"images": {"prefixes": "s3://bkt/a/"}}, "$.images.prefixes", "it must be a list"),
        ({"images": {"prefixes": ["http://a"]}}, "$.images.prefixes[0]", "does not start with s3://"),
        ({"images": {"prefixes": ["s3://A_b/c/"]}}, "$.images.prefixes[0]", "names the bucket 'A_b'"),
        ({"images": {"prefixes": ["s3://1.2.3.4/c/"]}}, "$.images.prefixes[0]", "no IP address"),
        ({"images": {"prefixes": ["s3://bkt/" + "k" * 1024 + "/"]}}, "$.images.prefixes[0]", "1024 bytes"),
        ({"pca": {"model": "s3://bkt/" + "k" * 1014 + "/"}}, "$.pca.model", "whose model.json has a key"),
        ({"images": {"prefixes": ["s3://bkt/a\n/"]}}, "$.images.prefixes[0]", "control character"),
        (
            {"images": {"prefixes": [f"s3://bkt/{i}/" for i in range(11)]}},
            "$.images.prefixes",
            "the most is 10",
        ),
        ({"images": {"prefixes": ["s3://bkt/a/", "s3://bkt/a/b/"]}}, "$.images.prefixes", "counted twice"),
        ({"images": {"prefixes": ["s3://bkt/a/", "s3://bkt/a/"]}}, "$.images.prefixes", "more than once"),
        ({"images": {"prefixes": ["s3://bkt/a/"], "keys": ["s3://bkt/b"]}}, "$.images", "both"),
        ({"images": {"keys": ["s3://bkt/b"], "suffixes": [".png"]}}, "$.images", "suffixes beside keys"),
        ({"images": {"keys": ["s3://bkt"]}}, "$.images.keys[0]", "names no object"),
        ({"images": {"keys": ["s3://bkt/a", "s3://bkt/a"]}}, "$.images.keys", "more than once"),
        ({"label": 5}, "$.label", "is 5; it must be one of: parent_folder, none"),
        ({"label": {"regex": "("}}, "$.label.regex", "no regular expression"),
        ({"label": {"regex": "(a)" * 67}}, "$.label.regex", "201 characters"),
        ({"label": {}}, "$.label.regex", "is missing"),
        ({"model": {"image_size": "224"}}, "$.model.image_size", "whole number"),
        ({"model": {"image_size": 224.0}}, "$.model.image_size", "whole number"),
        ({"model": {"image_size": 300}}, "$.model.image_size", "one of: 96, 128, 160, 192, 224"),
        ({"pca": {"components": 0}}, "$.pca.components", "the smallest value is 1"),
        ({"pca": {"components": 1281}}, "$.pca.components", "the largest value is 1280"),
        ({"pca": {"components": 10**400}}, "$.pca.components", "more than 19 digits"),
        ({"pca": {"variance": 1.0}}, "$.pca.variance", "it must be less than 1"),
        ({"pca": {"variance": True}}, "$.pca.variance", "it must be a number"),
        ({"pca": {"variance": None}}, "$.pca.variance", "is null"),
        ({"pca": {"variance": 0.9, "components": 5}}, "$.pca", "both"),
        ({"engine": None}, "$.engine", "is null; it must be one of: fast, reference"),
        ({"outputs": {"csv": 1}}, "$.outputs.csv", "it must be true or false"),
        ({"cluster": {"workers": 2.0}}, "$.cluster.workers", "whole number"),
        ({"cluster": {"finish_within_minutes": 0}}, "$.cluster.finish_within_minutes", "smallest value is 1"),
        ({"cluster": {"finish_within_minutes": 1441}}, "$.cluster.finish_within_minutes", "value is 1440"),
        ({"cluster": {"finish_within_minutes": None}}, "$.cluster.finish_within_minutes", "is null"),
        ({"cluster": {"workers": 2, "finish_within_minutes": 30}}, "$.cluster", "has both workers and"),
        ({"limits": {"max_runtime_minutes": 5}}, "$.limits.max_runtime_minutes", "the smallest value is 10"),
        ({"notify": "yes"}, "$.notify", "it must be true or false"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_right(changes: dict[str, Any], path: str, problem: str) -> None:
    fault = only_fault_of(**changes)
    assert fault.path == path
    assert problem in fault.problem
    assert fault.remedy
    assert "pydantic" not in f"{fault.problem}{fault.remedy}"


def test_all_faults_are_reported_at_once() -> None:
    paths = {fault.path for fault in faults_of(dataset="A", engine="fst", pca={"components": 0}, nope=1)}
    assert paths == {"$.dataset", "$.engine", "$.pca.components", "$.nope"}


def test_a_manifest_without_anything_is_told_the_three_required_keys() -> None:
    assert [fault.path for fault in faults_in(b"{}")] == ["$.version", "$.dataset", "$.images"]


def test_thousands_of_faults_are_cut_to_a_readable_number() -> None:
    faults = faults_of(images={"keys": ["nope"] * 5000})
    assert len(faults) == MAX_FAULTS
    assert faults[-1].problem == "has 4901 more faults"


def test_what_a_cluster_of_unsaid_size_may_cost_is_known_only_with_its_images() -> None:
    limits = {"max_runtime_minutes": 600, "max_cost_eur": 0.5}
    parsed = parse(SMALLEST | {"cluster": {"finish_within_minutes": 30}, "limits": limits})
    assert parsed.cluster.finish_within_minutes == 30


def test_a_run_that_may_cost_more_than_its_limit_is_refused_with_the_figure_and_ways_out() -> None:
    fault = only_fault_of(cluster={"workers": 20}, limits={"max_runtime_minutes": 600, "max_cost_eur": 20})
    assert fault.path == "$.limits.max_cost_eur"
    assert "56.02 EUR" in fault.problem
    assert fault.remedy == (
        "Either lower limits.max_runtime_minutes to 210, or lower cluster.workers to 6, "
        "or raise this to 56.02."
    )
    for cluster, limits in (
        ({"workers": 20}, {"max_runtime_minutes": 210, "max_cost_eur": 20}),
        ({"workers": 6}, {"max_runtime_minutes": 600, "max_cost_eur": 20}),
        ({"workers": 20}, {"max_runtime_minutes": 600, "max_cost_eur": 56.02}),
    ):
        parse(SMALLEST | {"cluster": cluster, "limits": limits})


def test_spot_is_priced_as_on_demand_because_a_fleet_may_fall_back_to_it() -> None:
    limits = {"max_cost_eur": 0.5}
    spot = only_fault_of(cluster={"market": "spot"}, limits=limits)
    assert spot == only_fault_of(cluster={"market": "on_demand"}, limits=limits)


@pytest.mark.parametrize(("kind", "name"), [(Manifest, "manifest"), (WorkbenchManifest, "workbench")])
def test_the_published_schema_is_in_step_with_the_code(
    kind: type[Manifest | WorkbenchManifest], name: str
) -> None:
    published = Path(manifest_module.__file__).with_name(f"{name}.schema.json")
    assert json.loads(published.read_text()) == json_schema(kind), (
        f"run: python -m {json_schema.__module__} {name} > lambdas/contract/manifest/{name}.schema.json"
    )


def test_a_manifest_that_a_tool_fills_with_the_schemas_defaults_is_accepted() -> None:
    fields = json_schema()["properties"]
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    assert len(defaults) > 5
    assert parse(defaults | SMALLEST) == parse(SMALLEST)


@pytest.mark.parametrize("kind", [Manifest, WorkbenchManifest])
def test_every_field_of_the_schema_is_described(kind: type[Manifest | WorkbenchManifest]) -> None:
    schema = json_schema(kind)
    for name, part in [("manifest", schema), *schema["$defs"].items()]:
        assert part["description"], name
        for field, described in part["properties"].items():
            assert described.get("description"), f"{name}.{field}"
