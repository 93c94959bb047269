"""The plot of a report, as a person uses it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def point_at_the_middle(page: Page) -> Locator:
    """Move the pointer to the point nearest to the plot's middle; what is then shown of its photo."""
    tip = page.locator("#tip")
    page.locator("#scatter").focus()
    page.keyboard.press("ArrowRight")  # there
    ring = page.locator("#ring").bounding_box()
    assert ring is not None
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    assert tip.is_visible()
    return tip
