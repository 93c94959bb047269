"""The Chromium with which tests look at pages. `python -m tests.browser` sees to it that there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
"""Debian's. Without any font, a page would be drawn in empty boxes."""
ADVICE = (
    "The tests of dashboard and report need a Chromium; none was found. Install Chromium or Google Chrome "
    f"(Debian, Ubuntu: apt install {' '.join(PACKAGES)}), or name one: make test CHROMIUM=/path/to/chromium"
)


def find_chromium() -> str | None:
    """Its path: the one in the variable CHROMIUM, or the first of the usual names."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def offline_page(file: Path, width: int) -> Iterator[Page]:
    """A page in a browser; whatever it asks for besides itself, or complains of, is an error at the end."""
    from playwright.sync_api import sync_playwright  # `make browser` needs none of it

    chromium = find_chromium()
    assert chromium, ADVICE
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        opened = browser.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        said: list[str] = []
        opened.on("request", lambda wanted: asked.append(wanted.url))
        opened.on("console", lambda message: said.append(message.text))
        opened.on("pageerror", lambda error: said.append(str(error)))
        opened.goto(file.resolve().as_uri())
        yield opened
        browser.close()
    elsewhere = [url for url in asked if not url.startswith((file.resolve().as_uri(), "data:", "blob:"))]
    assert elsewhere == []
    assert said == []


def main() -> int:
    """Install it where that is possible without asking anybody, and say what to do where it is not."""
    if find_chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], check=False)
    if find_chromium() is None:
        sys.stderr.write(f"{ADVICE}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
