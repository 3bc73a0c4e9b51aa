"""One page of a real browser for the tests of a file."""

import os
import shutil

import pytest

from .server import MINUTE

# No GPU here: WebGL, which the 3D viewers need, is drawn by SwiftShader.
OPTIONS = """--no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --disable-background-networking
    --disable-component-update --disable-dev-shm-usage --autoplay-policy=no-user-gesture-required"""


def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert found, "There is no Chromium here: apt-get install chromium, or name a browser in CHROMIUM."
    return found


@pytest.fixture(scope="module")
def page():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        how = dict(executable_path=chromium(), headless=True, timeout=2 * MINUTE, args=OPTIONS.split())
        browser = playwright.chromium.launch(**how)
        page = browser.new_page(viewport={"width": 1280, "height": 960})
        page.set_default_timeout(2 * MINUTE)
        yield page
        browser.close()
