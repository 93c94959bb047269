from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.plan import LabelRule
from spark.datasets.labels import labeller
from spark.errors import StepFailedError

SEGMENT = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs", "Cc")), min_size=1)


@given(folders=st.lists(SEGMENT, min_size=1, max_size=4), name=SEGMENT)
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
