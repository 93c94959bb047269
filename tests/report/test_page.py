"""What a person can do with a report in a browser that is offline: look, search, point, walk, download."""

from __future__ import annotations

import base64
import csv
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from lambdas.report.making import make_report
from lambdas.report.published import read_published
from lambdas.report.sources import FolderFiles, photos_in_folder
from tests.browser import offline_page

from .plot import point_at_the_middle
from .run_folder import PREFIX, RUN, write_run

pytestmark = pytest.mark.slow
HOSTILE = '<script>alert("&")</script>'
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The report; whatever it asks for or complains of is an error."""
    folder = tmp_path_factory.mktemp("report")
    run = write_run(folder, labels={"lime/004.jpg": "kiwi", "lime/005.jpg": HOSTILE})
    published = read_published(FolderFiles(run.files), RUN)
    made = make_report(published, photos_in_folder(run.photos, [PREFIX]), folder / "report.html")
    with offline_page(made.path, 1280) as opened:
        opened.get_by_role("button", name="Download the list as CSV").first.wait_for()
        yield opened


def colours(page: Page) -> set[tuple[int, ...]]:
    """In which the plot's points are drawn; their edges, which are few pixels of many shades, left aside."""
    url: str = page.evaluate("document.getElementById('scatter').toDataURL()")
    drawn = np.asarray(Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA"))
    found, counts = np.unique(drawn[drawn[..., 3] > 200], axis=0, return_counts=True)
    return {tuple(colour.tolist()) for colour, count in zip(found, counts, strict=True) if count > 20}


def test_the_findings_are_at_the_top_and_lead_to_their_lists(page: Page) -> None:
    links = page.get_by_role("navigation", name="What stands out").get_by_role("link")
    assert links.count() == 7
    for link in links.all():
        target = link.get_attribute("href")
        assert page.locator(f"article{target}").count() == 1
    assert page.locator("#label-errors").get_by_text("Looks like lime").count() == 1
    assert page.locator("#same-views").get_by_text("Same file.").count() == 1


def test_a_label_that_is_searched_is_marked_and_the_rest_is_grey(page: Page) -> None:
    before = colours(page)
    page.get_by_label("Search a label").fill("bana")
    assert page.locator("#found").inner_text() == "1 of 7 labels"
    assert page.locator("#marked").inner_text() == "Marked: banana."
    after = colours(page)
    assert len(after) == 2
    assert len(before) > 4
    page.get_by_role("button", name="Colour all again").click()
    assert page.locator("#found").inner_text() == "7 of 7 labels"
    assert colours(page) == before


def test_labels_are_marked_by_clicking_them_too(page: Page) -> None:
    for name in ("apple", "kiwi"):
        page.locator("#labels").get_by_role("button", name=name).click()
    assert page.locator("#marked").inner_text() == "Marked: apple, kiwi."
    page.locator("#labels").get_by_role("button", name="apple").click()
    assert page.locator("#marked").inner_text() == "Marked: kiwi."
    page.get_by_role("button", name="Colour all again").click()


def test_the_labels_are_one_stop_of_the_tab_key_and_the_arrow_keys_go_through_them(page: Page) -> None:
    page.get_by_label("Search a label").focus()
    for key in ("Tab", "ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#marked").inner_text() == "Marked: apple."
    page.keyboard.press("Tab")
    assert page.locator("#labels button:focus").count() == 0
    page.get_by_role("button", name="Colour all again").click()


def test_on_paper_it_has_columns_and_nothing_that_wants_to_be_clicked(page: Page) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 690, "height": 980})  # A4 between its margins
    assert not page.get_by_role("button", name="Download the list as CSV").first.is_visible()
    assert not page.locator("#search").is_visible()
    lefts = {round(one.bounding_box()["x"]) for one in page.locator("#labels li").all()}  # type: ignore[index]
    assert len(lefts) == 4
    page.wait_for_timeout(100)  # for the plot to be drawn again in its new place
    plot = page.locator("#scatter").bounding_box()
    assert plot is not None
    assert plot["height"] > 300
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_pointing_at_a_point_shows_its_photo_label_and_path(page: Page) -> None:
    tip = point_at_the_middle(page)
    assert tip.locator("svg use").count() == 1
    label, path = tip.inner_text().split("\n")[:2]
    assert path.startswith(f"{label}/") or label in ("kiwi", HOSTILE)
    page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_the_arrow_keys_walk_from_photo_to_photo_and_say_where_they_are(page: Page) -> None:
    page.locator("#scatter").focus()
    page.keyboard.press("ArrowLeft")
    said = [page.locator("#said").text_content()]
    first = page.locator("#ring").bounding_box()
    page.keyboard.press("ArrowRight")
    said.append(page.locator("#said").text_content())
    second = page.locator("#ring").bounding_box()
    assert first is not None
    assert second is not None
    assert second["x"] > first["x"]
    assert all(said)
    assert said[0] != said[1]
    page.keyboard.press("Escape")


def test_while_labels_are_marked_the_arrow_keys_pass_over_all_others(page: Page) -> None:
    page.get_by_label("Search a label").fill("banana")
    page.locator("#scatter").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
        assert (page.locator("#said").text_content() or "").startswith("banana, ")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Colour all again").click()


def test_other_components_can_be_looked_at(page: Page) -> None:
    box = "() => document.getElementById('scatter').toDataURL()"
    before = page.evaluate(box)
    page.get_by_label("to the right").select_option("component 3")
    assert page.evaluate(box) != before
    page.get_by_label("to the right").select_option("component 1")
    assert page.evaluate(box) == before


def test_a_list_is_downloaded_with_whole_paths(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as download:
        page.locator("#label-errors").get_by_role("button").click()
    assert download.value.suggested_filename == "fruits-label-errors.csv"
    target = tmp_path / "list.csv"
    download.value.save_as(target)
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["label"], row["probably"]) for row in rows] == [
        (f"{PREFIX}lime/004.jpg", "kiwi", "lime")
    ]


def test_whatever_a_label_holds_it_is_text(page: Page) -> None:
    assert page.locator("#labels").get_by_text(HOSTILE).count() == 1
    assert page.locator("script").count() == 2


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_fits_phones_and_screens_by_day_and_by_night(
    page: Page, scheme: Literal["light", "dark"], width: int
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    paper, ink = page.evaluate(
        "() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    lightness = [sum(map(int, colour.strip("rgb()").split(","))) for colour in (paper, ink)]
    assert (lightness[0] > lightness[1]) == (scheme == "light")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_every_picture_has_a_name_and_every_control_a_label(page: Page) -> None:
    unnamed = page.evaluate("""() => [...document.querySelectorAll("svg[role=img], canvas")]
        .filter((one) => !one.getAttribute("aria-label")).length""")
    assert unnamed == 0
    for control in page.locator("select, input").all():
        assert control.evaluate("(one) => one.labels.length") == 1
