"""The site in a real browser: no page asks for anything outside, breaks, or shuts anybody out."""

import os
import urllib.parse

import pytest

from website.__main__ import SMALL
from website.build import build
from website.npm import npm_file

from ..pages import Page
from .server import picture

pytestmark = pytest.mark.slow

AXE = ("axe-core", "4.14.1", "axe.min.js", "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
LOOKS = {"light": 1280, "dark": 400}  # colour scheme: width of the window
MOST_MB = 40
UNFOLD = "for (const folded of document.querySelectorAll('details')) folded.open = true"
# A figure is drawn when it comes near the window.
DRAWN = """() => {
    const next = document.querySelector("div.plotly:not(:has(.main-svg))");
    next?.scrollIntoView();
    return !next;
}"""
FORMULAS = "window.MathJax?.startup?.promise"
VIOLATIONS = """async (runOnly) => {
    const found = (await axe.run({runOnly, iframes: false, preload: false})).violations;
    const told = (id) => (node) => [id, node.target, node.html.slice(0, 150), node.failureSummary].join(" ");
    return found.flatMap(({id, nodes}) => nodes.map(told(id)));
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, of the small sizes. -> its folder"""
    folder = tmp_path_factory.mktemp("site")
    os.environ["DOLPHINS_SMALL"] = "1"
    try:
        return build(folder / "site", folder / "work", SMALL).parent
    finally:
        del os.environ["DOLPHINS_SMALL"]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return npm_file(*AXE, folder=tmp_path_factory.mktemp("npm")).read_text(encoding="utf-8")


def pages_of(site):
    return sorted(site.rglob("*.html"))


@pytest.mark.parametrize("scheme", LOOKS)
def test_every_page_is_whole_and_open_to_everybody(site, axe, page, scheme):
    asked, said, faults = [], [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": LOOKS[scheme], "height": 900})
    for path in pages_of(site):
        name = path.relative_to(site).with_suffix("").as_posix()
        said.clear()
        page.goto(path.as_uri())
        page.evaluate(UNFOLD)
        page.wait_for_function(DRAWN)
        page.evaluate(FORMULAS)
        picture(page, f"{name.replace('/', '_')}-{scheme}")
        width = page.evaluate("document.documentElement.scrollWidth")
        page.evaluate(axe)
        found = page.evaluate(VIOLATIONS, RULES)
        found += [f"is {width} pixels wide in a window of {LOOKS[scheme]}"] * (width > LOOKS[scheme])
        faults += [f"{name}: {fault}" for fault in [*said, *found]]
    inside = site.as_uri(), "data:", "blob:"
    faults += [f"asked for {address[:200]}" for address in asked if not address.startswith(inside)]
    assert not faults, "\n".join(faults)


def test_every_link_leads_somewhere(site):
    read = {path: Page(path.read_text(encoding="utf-8")) for path in pages_of(site)}
    ids = {path: {attrs.get("id") for _, attrs in page.tags} for path, page in read.items()}
    broken = []
    for path, page in read.items():
        for _, attrs in page.tags:
            address = urllib.parse.unquote(attrs.get("href") or attrs.get("src") or "")
            target, _, anchor = address.partition("#")
            if ":" in target or not address:
                continue
            there = (path.parent / target.partition("?")[0]).resolve() if target else path
            if not there.is_file() or (anchor and anchor not in ids[there]):
                broken.append(f"{path.relative_to(site)}: {address}")
    assert not broken, "\n".join(broken)


def test_a_search_finds_a_function(site, page):
    page.goto(f"{(site / 'search.html').as_uri()}?q=batch_rodrigues")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    assert any("solutions" in (link.get_attribute("href") or "") for link in found.all())


def test_it_is_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < MOST_MB * 1e6


def test_no_page_knows_the_machine_it_was_made_on(site):
    from lessons.build import ROOT

    assert not [path for path in pages_of(site) if str(ROOT) in path.read_text(encoding="utf-8")]
