from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.plan import LabelRule
from spark.datasets.labels import labeller
from spark.errors import StepFailedError

SEGMENT = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs", "Cc")), min_size=1)


@given(folders=st.lists(SEGMENT, min_size=1, max_size=4), name=SEGMENT.filter(lambda name: "\\" not in name))
def test_the_parent_folder_is_the_last_one(folders: list[str], name: str) -> None:
    uri = "/".join(["s3://bucket", *folders, name])
    assert labeller(LabelRule("parent_folder"))(uri) == folders[-1]


def test_an_image_at_the_top_of_a_bucket_has_no_label() -> None:
    assert labeller(LabelRule("parent_folder"))("s3://bucket/apple.jpg") is None


def test_no_rule_gives_no_label() -> None:
    assert labeller(LabelRule("none"))("s3://bucket/apple/1.jpg") is None


def test_a_pattern_labels_by_its_first_group_and_leaves_the_rest_unlabelled() -> None:
    label = labeller(LabelRule("regex", r"/([a-z]+)_\d+\.jpg$"))
    assert label("s3://bucket/images/apple_12.jpg") == "apple"
    assert label("s3://bucket/images/12.jpg") is None


@pytest.mark.parametrize("pattern", ["(", "no group", None])
def test_a_pattern_that_cannot_work_is_the_users_to_correct(pattern: str | None) -> None:
    with pytest.raises(StepFailedError, match=r"label\.pattern") as caught:
        labeller(LabelRule("regex", pattern))
    assert caught.value.error.kind == "user"


def test_a_backslash_in_a_name_never_gives_the_label_of_a_folder_that_was_not_meant() -> None:
    label = labeller(LabelRule("parent_folder"))
    assert label("s3://bucket/images/apple\\3.jpg") is None
    assert label("s3://bucket/images/pear/4.jpg") == "pear"
    # A folder is what stands between two '/', whatever it is called.
    assert label("s3://bucket/data\\pear/4.jpg") == "data\\pear"


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("/(([a-z]+)+)_[0-9]+[.]jpg$", "images/goldendeliciousapplesandpears.jpg"),
        ("/((?:[^/]|[a-z])*)[.]jpeg$", "images/goldendeliciousapplesandpears.jpg"),
        ("(([^/]+/?)+)-[0-9]+[.]jpg$", "images/apple/golden-delicious.jpg"),
        ("(.*)(.*)(.*)(.*)x$", f"images/{'a' * 900}.jpg"),
        ("(a?){500}a{500}x", "a" * 1000),
    ],
)
def test_a_pattern_that_would_backtrack_without_end_has_its_answer_at_once(pattern: str, key: str) -> None:
    label, began = labeller(LabelRule("regex", pattern)), time.process_time()
    assert label(f"s3://photos/{key}") is None
    assert time.process_time() - began < 0.5


@given(pattern=st.text("ab(|)*+?[]^$.{}1,/\\dw", max_size=12), text=st.text("ab1/.\n", max_size=20))
def test_what_can_be_used_finds_what_pythons_own_engine_finds(pattern: str, text: str) -> None:
    try:
        label = labeller(LabelRule("regex", pattern))
        expected = re.compile(pattern.replace("$", r"\Z"), re.ASCII).search(text)
    except (StepFailedError, re.error):  # refused by either: they do not agree on what is too odd
        return
    assert (label(text) is None) == (expected is None or expected[1] is None)


def test_an_unicode_label_is_found_as_it_is() -> None:
    assert labeller(LabelRule("regex", "/([^/]+)_[0-9]+[.]jpg$"))("s3://b/りんご_3.jpg") == "りんご"
