"""What is said of a folder before anything of it is uploaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lambdas.cli.photo_folder import dataset_name, read_folder
from lambdas.cli.submission import manifest_of

from .submitting import write


def problems(folder: Path) -> str:
    return " ".join(f"{fault.problem} {fault.remedy}" for fault in read_folder(folder).faults())


def test_photos_are_found_in_their_class_folders_in_order_with_their_sizes(tmp_path: Path) -> None:
    found = read_folder(write(tmp_path, "kiwi/2.PNG", "kiwi/1.jpg", "train/apple/a b.jpeg"))
    assert [(photo.name, photo.size) for photo in found.photos] == [
        ("kiwi/1.jpg", 10),
        ("kiwi/2.PNG", 10),
        ("train/apple/a b.jpeg", 20),
    ]
    assert (found.faults(), found.notes(), found.size) == ((), (), 40)


def test_a_folder_is_empty(tmp_path: Path) -> None:
    assert problems(tmp_path).startswith(
        "is empty Name a folder that holds a folder of photos for each class."
    )


def test_a_folder_without_photos_says_what_it_holds_and_what_photos_end_in(tmp_path: Path) -> None:
    said = problems(write(tmp_path, "a/1.txt", "a/2.txt", "a/3.heic", "a/.DS_Store"))
    assert "holds no photo: 4 files, but none ends in .bmp, .dib, .gif, .jfif, .jpe, .jpeg, .jpg" in said
    assert "suffixes seen: .txt 2, .heic 1" in said


def test_a_folder_without_class_folders_says_how_to_make_labels_and_how_to_do_without(tmp_path: Path) -> None:
    said = problems(write(tmp_path, "1.jpg", "2.jpg"))
    assert "holds 2 photos, but no class folders" in said
    assert '"label": "none"' in said
    assert read_folder(tmp_path).notes() == ()  # no label is promised to what is refused for having none


def test_what_will_be_left_out_is_told(tmp_path: Path) -> None:
    found = read_folder(write(tmp_path, "a/1.jpg", "loose.jpg", "a/1.txt", "a/._1.jpg", "__MACOSX/a/1.jpg"))
    assert found.notes() == (
        "1 file left out for the suffix (.txt 1).",
        "2 files of file managers left out (__MACOSX/, ._*, .DS_Store, ...).",
        "1 photo in no class folder: the data set's name is the label there.",
    )
    assert [photo.name for photo in found.photos] == ["a/1.jpg", "loose.jpg"]
    assert found.faults() == ()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/1\n.jpg", "'a/1\\n.jpg' (holds a control character)"),
        (os.fsdecode(b"a/\xff.jpg"), "'a/\\udcff.jpg' (is not UTF-8)"),
    ],
)
def test_a_name_that_can_be_no_key_is_told_with_the_reason(name: str, why: str, tmp_path: Path) -> None:
    said = problems(write(tmp_path, "a/1.jpg", name))
    assert f"holds 1 file [{why}] whose name can be no object's key" in said


def test_a_key_that_becomes_too_long_is_told(tmp_path: Path) -> None:
    found = read_folder(write(tmp_path, "a/1.jpg"), "images/" + "x" * 1020 + "/")
    assert "more than 1024 bytes" in found.faults()[0].problem


def test_files_that_cannot_be_read_are_told_some_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path, "a/1.jpg")
    for number in range(3):
        (folder / "a" / f"gone-{number}.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "a" / "pipe.jpg")
    (folder / "a" / "up").symlink_to(folder)
    said = problems(folder)
    assert "holds 5 files ['a/gone-0.jpg' (No such file or directory), 'a/gone-1.jpg'" in said
    assert "..." in said
    assert "Make them readable, or take them out" in said


def test_files_and_folders_of_others_are_told(open_folder: Path, request: pytest.FixtureRequest) -> None:
    folder = write(open_folder / "photos", "a/1.jpg", "a/2.jpg", "b/1.jpg")
    (folder / "a" / "2.jpg").chmod(0o000)
    (folder / "b").chmod(0o000)
    request.getfixturevalue("without_privileges")
    found = read_folder(folder)
    assert found.unreadable == ("'a/2.jpg' (Permission denied)", "'b' (Permission denied)")
    assert [photo.name for photo in found.photos] == ["a/1.jpg"]


def test_links_to_files_and_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", "kiwi/1.jpg")
    folder = write(tmp_path / "photos", "apple/1.jpg")
    (folder / "kiwi").symlink_to(elsewhere / "kiwi")
    (folder / "apple" / "2.jpg").symlink_to(elsewhere / "kiwi" / "1.jpg")
    found = read_folder(folder)
    assert [photo.name for photo in found.photos] == ["apple/1.jpg", "apple/2.jpg", "kiwi/1.jpg"]
    assert found.unreadable == ()
    (elsewhere / "kiwi" / "back").symlink_to(folder)
    assert read_folder(folder).unreadable == ("'kiwi/back' (leads back into a folder that it is in)",)


def test_the_manifest_names_suffixes_only_where_the_usual_ones_are_not_enough(tmp_path: Path) -> None:
    folder = write(tmp_path, "a/1.jpg")
    assert manifest_of(read_folder(folder), "data", "apples")["images"] == {
        "prefixes": ["s3://data/images/apples/"]
    }
    write(folder, "a/2.TIFF", "a/3.webp")
    suffixes = manifest_of(read_folder(folder), "data", "apples")["images"]["suffixes"]
    assert suffixes == [".jpg", ".jpeg", ".png", ".tiff", ".webp"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [("Fruits 360/Test", "test"), ("My Photos (2026)", "my-photos-2026"), ("りんご", "images")],
)
def test_a_data_sets_name_is_proposed_from_the_folders(folder: str, name: str) -> None:
    assert dataset_name(Path(folder)) == name
