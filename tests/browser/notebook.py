"""A notebook that is open in a real JupyterLab: its cells run, written, looked at."""

import contextlib
import json
from types import SimpleNamespace

import nbformat

from course_lib.files import write

from .server import MINUTE, picture, running

SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden)"
IDLE = f"{SHOWN} .jp-Notebook-ExecutionIndicator[data-status=idle]"


@contextlib.contextmanager
def lab(home, environment):
    """A JupyterLab on home/notebooks that asks nothing of the internet. -> its address, and that folder"""
    without_news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    write(home / "config/labconfig/page_config.json", json.dumps(without_news))
    where = dict(folder=home / "notebooks", home=home, environment=environment)
    with running("jupyterlab", token="dolphin", **where) as address:
        yield SimpleNamespace(address=f"{address}/lab", folder=where["folder"])


class Notebook:
    """A notebook that is open in the browser."""

    def __init__(self, page, lab, name):
        self.page, self.path = page, lab.folder / name
        page.goto(f"{lab.address}/tree/{name}?token=dolphin&reset", timeout=3 * MINUTE)
        cells = nbformat.read(self.path, as_version=4).cells
        self.sources = [cell.source for cell in cells if cell.cell_type == "code"]
        # JupyterLab puts the cells into the page bit by bit, and runs nothing before all of them are there.
        enough = "([cells, n]) => document.querySelectorAll(cells).length >= n"
        # A cell whose source is folded, as the first one's is, has a placeholder for it.
        parts = ", ".join(f"{SHOWN} .jp-CodeCell {part}" for part in (".cm-content", ".jp-Placeholder"))
        wanted = [parts, len(self.sources)]
        page.wait_for_function(enough, arg=wanted, timeout=3 * MINUTE)
        page.wait_for_selector(IDLE, timeout=3 * MINUTE)  # the kernel is there

    def cell(self, text):
        """The code cell in whose source this stands. The file says it: the page holds only lines in sight."""
        at = next(n for n, source in enumerate(self.sources) if text in source)
        return self.page.locator(f"{SHOWN} .jp-CodeCell").nth(at)

    def run_all(self):
        """Run > Run All Cells."""

        def chosen():
            self.page.get_by_role("menuitem", name="Run", exact=True).click()
            self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

        self._begun(chosen, self.page.locator(f"{SHOWN} .jp-CodeCell .jp-InputArea-prompt").first)

    def _begun(self, ask, prompt):
        """Asks for a cell to be run until its prompt is another one, with a star or a new number.

        At times JupyterLab drops what is asked just after it opened a notebook: then again, as anybody would.
        """
        from playwright.sync_api import TimeoutError

        before = [prompt.element_handle(), prompt.inner_text()]
        begun = "([p, old]) => p.innerText !== old && /[*\\d]/.test(p.innerText)"
        for again in (True, True, False):
            ask()
            try:
                return self.page.wait_for_function(begun, arg=before, timeout=MINUTE / 3)
            except TimeoutError:
                if not again:
                    raise

    def write(self, cell, source):
        """Replaces the source of a cell, as by select all and paste."""
        editor = cell.locator(".cm-content").first
        editor.click()
        self.page.keyboard.press("Control+A")
        editor.fill(source.strip() + "\n")

    def run(self, cell):
        """Shift + Enter in a cell, and waits until it has a new number."""
        prompt = cell.locator(".jp-InputPrompt").first

        def pressed():
            cell.locator(".cm-content").first.click()
            self.page.keyboard.press("Shift+Enter")

        self._begun(pressed, prompt)
        done = "p => /\\d/.test(p.innerText)"
        self.page.wait_for_function(done, arg=prompt.element_handle(), timeout=5 * MINUTE)

    def wait_for(self, cell, text, timeout=5 * MINUTE):
        """Waits for a text in a cell's output."""
        from playwright.sync_api import TimeoutError

        try:
            cell.locator(".jp-OutputArea-output", has_text=text).first.wait_for(timeout=timeout)
        except TimeoutError:
            shown = cell.locator(".jp-OutputArea-output").all_inner_texts()
            raise AssertionError(f"expected {text!r} under a cell, but there is {shown}") from None

    def choose_theme(self, name):
        """Settings > Theme > a theme's name."""
        self.page.get_by_role("menuitem", name="Settings", exact=True).click()
        for item in ("Theme", name):
            self.page.locator(".lm-Menu-item", has_text=item).first.click()
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)

    def picture(self, name, cell):
        """A picture of a cell's end, where its output is."""
        cell.locator(".jp-OutputArea-output").last.scroll_into_view_if_needed()
        picture(self.page, name)
