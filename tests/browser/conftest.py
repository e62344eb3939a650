"""A real browser with the page of the real demo; without Chromium skipped, or, with CI=true, failed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import FLAGS, NO_BROWSER, program
from tests.browser.demo import Demo, running_demo

expect.set_options(timeout=30_000)  # on a busy machine; Playwright's own are 5 s


@dataclass(slots=True)
class Visit:
    """A page that is open, and what its console has said."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """The demo, from before the tour to its interactive mode."""
    with running_demo() as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed with the module, as its event loop would be in the way of other tests."""
    path = program()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(NO_BROWSER)
    if path is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
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
