"""What of a workbench's home can be brought back into one."""

from __future__ import annotations

import fnmatch
import os.path

import pytest

from infra.components.workbench.kept import NAME_BYTES, misfits, pattern_of

FOLDER = "there is a folder of that name, too"
NO_NAME = "it is no file's name"


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["mine.ipynb", ".kept", "data/x.csv", "data.csv", "data/deep/er"], {}),
        (["data", "data-2", "data/x", "data/deep", "data/deep/er"], {"data": FOLDER, "data/deep": FOLDER}),
        # What is left out itself needs no folder.
        (["data", "data/"], {"data/": NO_NAME}),
        (["/etc/evil", "a//b", "mine.ipynb"], {"/etc/evil": NO_NAME, "a//b": NO_NAME}),
        (["../evil", "a/./b", ""], {"../evil": NO_NAME, "a/./b": NO_NAME, "": NO_NAME}),
        (["n" * NAME_BYTES, "é" * NAME_BYTES], {"é" * NAME_BYTES: "its name is too long"}),
        ([], {}),
    ],
)
def test_one_key_that_cannot_be_a_file_costs_itself_alone(names: list[str], left: dict[str, str]) -> None:
    assert misfits(names) == left


@pytest.mark.parametrize("name", ["data", "a*b?[c]", "/etc/evil", "//", "é/[!x]", "a\\b", "data/"])
def test_what_is_left_out_is_that_key_and_no_other(name: str) -> None:
    place = "bucket/notebooks/explore/"
    # As the AWS CLI does it.
    pattern = os.path.join(place, pattern_of(name))  # noqa: PTH118  # keys, not paths
    others = (f"{name}x", f"x{name}", "axb1c")
    assert [one for one in (name, *others) if fnmatch.fnmatch(place + one, pattern)] == [name]
