"""The page of the demo on all kinds of screens, and for those who see none."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.demo import Demo
from tests.browser.findings import findings

_LIMIT_BYTES = 150_000
_WEIGHT = """() => [
    ...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource").filter((each) => !each.name.includes("/media/")),
].reduce((sum, each) => sum + each.transferSize, 0)"""
_PHONE = {"width": 390, "height": 800}
_BLURRED_MS = 300  # after which the menu is closed if the field has not got the focus back


def has_sideways_scrolling(page: Page) -> bool:
    """Whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.mark.parametrize("chat", [0, 2])
@pytest.mark.visitor(color_scheme="light")
def test_axe_finds_nothing_in_light_colours(visit: Visit, chat: int) -> None:
    visit.page.locator("#chats li button").nth(chat).click()
    visit.page.locator("#lines video").first.wait_for(timeout=45_000)

    assert not findings(visit.page)


@pytest.mark.visitor(color_scheme="dark", locale="zh-CN")
def test_axe_finds_nothing_in_dark_colours(visit: Visit) -> None:
    visit.page.locator("#lines video").first.wait_for(timeout=45_000)

    assert not findings(visit.page)


@pytest.mark.visitor(viewport=_PHONE)
def test_a_phone_shows_one_part_at_a_time(visit: Visit) -> None:
    page = visit.page
    expect(page.locator("#conversation")).to_be_visible()
    expect(page.locator("#chats")).to_be_hidden()

    page.locator(".views button").first.click()
    page.locator("#chats li button").nth(1).click()

    expect(page.locator("#conversation")).to_be_visible()
    expect(page.locator("#title")).to_have_text("小林")
    for view in page.locator(".views button").all():
        view.click()
        assert not has_sideways_scrolling(page)
        assert not findings(page)


def test_axe_finds_nothing_while_the_menu_is_open(visit: Visit) -> None:
    visit.page.locator("#input").focus()
    visit.page.locator("#menu-button").click()
    visit.page.wait_for_timeout(_BLURRED_MS)  # the field lost the focus to the button for a moment
    expect(visit.page.locator("#menu li").first).to_be_visible()
    expect(visit.page.locator("#input")).to_be_focused()

    assert not findings(visit.page)


@pytest.mark.visitor(viewport={"width": 1000, "height": 700})
def test_a_small_window_has_no_sideways_scrolling(visit: Visit) -> None:
    assert not has_sideways_scrolling(visit.page)


@pytest.mark.visitor(reduced_motion="reduce")
def test_nothing_moves_for_those_who_want_no_motion(visit: Visit) -> None:
    animations = visit.page.evaluate("document.getAnimations().length")

    assert animations == 0


def test_the_page_is_small(visit: Visit, demo: Demo) -> None:
    page = visit.page
    page.goto(demo.address)
    page.locator("#chats li").first.wait_for(state="attached")

    weight = page.evaluate(_WEIGHT)

    assert 0 < weight < _LIMIT_BYTES
