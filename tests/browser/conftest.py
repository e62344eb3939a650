"""A real browser with the page of the real demo; without Chromium skipped, or, with CI=true, failed."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.program import command, environment
from tests.programs import find

NO_BROWSER = "No test of the demo's page ran: there is no Chromium (apt-get install chromium)."
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]  # root has no sandbox


@dataclass(slots=True)
class Demo:
    """A running `python -m bot demo`."""

    address: str
    output: Path

    def printed(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(encoding="utf-8")


@dataclass(slots=True)
class Visit:
    """A page that is open, and what its console has said."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, from before the tour to its interactive mode."""
    folder = tmp_path_factory.mktemp("demo")
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*command("demo"), "--port", "0"],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment({}),
        )
    try:
        yield Demo(address=_address(process, output), output=output)
    finally:
        process.terminate()
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=20)


def _address(process: "subprocess.Popen[bytes]", output: Path) -> str:
    """The address that it prints first."""
    while process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", output.read_text(encoding="utf-8")):
            return found[0]
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(output.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed with the module, as its event loop would be in the way of other tests."""
    program = next(filter(None, map(find, _NAMES)), None)
    if program is None and os.environ.get("CI") == "true":
        pytest.fail(NO_BROWSER)
    if program is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(request: pytest.FixtureRequest, browser: Browser, demo: Demo) -> Iterator[Visit]:
    """The page as somebody sees it; `visitor` marks change the language, size and colours."""
    mark = request.node.get_closest_marker("visitor")
    given = {"locale": "en-GB", "viewport": {"width": 1440, "height": 900}} | (mark.kwargs if mark else {})
    context = browser.new_context(**given)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=demo.address)
    page = context.new_page()
    page.set_default_timeout(20_000)
    seen = Visit(page)
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(demo.address)
    page.locator("#chats li").first.wait_for(state="attached")
    yield seen
    context.close()
    assert not seen.complaints
