"""What a person sees of a stack's dashboard in a browser, when a few runs have happened.

In a browser, because only there text has a width and colours meet; of real runs, because only they show that
what the functions measure is what the dashboard looks for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page

from tests.browser import offline_page

from .conftest import Happened

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS_PIXELS = (390, 800, 1360)
MIN_CONTRAST = 4.5
"""Of text. Source: Web Content Accessibility Guidelines 2.2, criterion 1.4.3."""


@pytest.fixture(scope="module")
def page(happened: Happened) -> Iterator[Page]:
    """The page in a browser that is offline; whatever it asks for or complains of is an error."""
    with offline_page(happened.page, WIDTHS_PIXELS[-1]) as opened:
        yield opened
        for scheme in SCHEMES:
            opened.emulate_media(color_scheme=scheme)
            opened.screenshot(path=happened.page.with_name(f"dashboard-{scheme}.png"), full_page=True)


def panel(page: Page, title: str) -> Locator:
    return page.locator("section").filter(has=page.get_by_role("heading", name=title, exact=True))


def legend(page: Page, title: str) -> dict[str, str]:
    """The value beside each label."""
    entries = panel(page, title).locator("li").all_inner_texts()
    return dict(re.split(r"\s+(?=\S+$)", entry.strip()) for entry in entries)


def test_the_page_shows_what_happened(page: Page) -> None:
    assert page.title() == "fruits-local"
    assert legend(page, "Runs that ended, by state") == {"COMPLETED": "2", "FAILED": "1"}
    assert legend(page, "Failures, by whose move it is") == {"data": "1"}
    uploads = legend(page, "Uploaded manifests, by outcome")
    assert uploads["rejected"] == "1"
    assert sum(int(count) for count in uploads.values()) == 4
    assert legend(page, "Images featurized") == {
        "fruits fast": "120",
        "flawed fast": "120",
        "broken fast": "0",
    }
    assert legend(page, "Images in quarantine, by reason") == {"unreadable_format": "2", "corrupt": "1"}
    assert set(legend(page, "Speed of featurizing")) == {"fruits fast", "flawed fast", "broken fast"}
    phases = legend(page, "Where the time goes (busy time of all threads)")
    assert set(phases) == {"list", "fetch", "decode", "infer", "write"}
    assert all(float(seconds) > 0 for seconds in phases.values())
    assert len(legend(page, "Time to cluster")) == 3
    assert len(legend(page, "Cost of ended runs: estimate and actual")) == 2
    assert set(legend(page, "Lambda: duration")) == {"launcher", "tracker", "reconciler"}
    assert "OK" in panel(page, "Alarms").get_by_text("fruits-local-missing-heartbeat").inner_text()
    assert panel(page, "Now").locator("dd").first.inner_text() == "0"


def test_the_runs_are_drawn_to_scale(page: Page) -> None:
    page.set_viewport_size({"width": WIDTHS_PIXELS[-1], "height": 900})
    runs = panel(page, "Runs that ended, by state").locator("svg")
    picture = runs.bounding_box()
    assert picture
    bars = [box for bar in runs.locator("rect").all() if (box := bar.bounding_box())]
    assert bars
    for box in bars:
        assert box["width"] >= 2
        assert box["height"] >= 10
        assert picture["y"] <= box["y"]
        assert box["y"] + box["height"] <= picture["y"] + picture["height"]
    queue = panel(page, "Queue")
    assert queue.locator("polyline").count() >= 3
    assert queue.locator("svg text", has_text="seconds").is_visible()


def test_the_page_says_what_there_is_not(page: Page) -> None:
    assert (
        panel(page, "EMR (whole account): nodes at work").locator("svg text").text_content()
        == "no data in this time"
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_titles_labels_and_axes_stand_out_from_what_is_behind_them(
    page: Page, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    behind = luminance(page.locator("section").first.evaluate("e => getComputedStyle(e).backgroundColor"))
    styles = {"h2": "color", "li": "color", "li b": "color", "dt": "color", "svg text": "fill"}
    for selector, style in styles.items():
        colors = page.locator(selector).evaluate_all(f"all => all.map(e => getComputedStyle(e).{style})")
        assert colors
        for shown in map(luminance, set(colors)):
            lighter, darker = max(shown, behind), min(shown, behind)
            assert (lighter + 0.05) / (darker + 0.05) >= MIN_CONTRAST, selector


def luminance(color: str) -> float:
    """Of ``rgb(r, g, b)``. Source: as of the contrast, "relative luminance"."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", color)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("width", WIDTHS_PIXELS)
def test_nothing_is_wider_than_the_screen_and_no_text_of_an_axis_lies_on_another(
    page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for picture in page.locator("svg").all():
        texts = picture.locator("text").evaluate_all(
            "all => all.map(e => [e.textContent, e.getBoundingClientRect().toJSON()])"
        )
        for (text, one), (another, other) in itertools.combinations(texts, 2):
            beside = one["right"] <= other["left"] or other["right"] <= one["left"]
            above = one["bottom"] <= other["top"] or other["bottom"] <= one["top"]
            assert beside or above, f"{text!r} and {another!r} lie upon each other"
