"""The page with as many messages as it keeps."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.long_chat import MESSAGES, LongChat, long_chat

_BUSY_MS = 30_000  # for all messages at once, on a busy machine
_SHOWN_AT_FIRST, _MOST_SHOWN = 30, 180


@pytest.fixture(scope="module")
def chat() -> Iterator[LongChat]:
    with long_chat() as serving:
        yield serving


@pytest.fixture
def page(browser: Browser, chat: LongChat) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(chat.address)
    expect(page.locator("#lines article")).to_have_count(_SHOWN_AT_FIRST)
    yield page
    context.close()
    assert errors == []


def test_earlier_messages_are_shown_up_to_the_first(page: Page) -> None:
    while page.locator("#lines article").count() < MESSAGES:
        shown = page.locator("#lines article").count()
        page.evaluate("document.getElementById('log').scrollTop = 0")
        expect(page.locator("#lines article").nth(shown)).to_be_attached()

    assert page.locator("#lines article").count() == MESSAGES


def test_the_page_keeps_only_so_many_messages(page: Page, chat: LongChat) -> None:
    chat.send(MESSAGES)

    newest = chat.sandbox.telegram.state.chats[1001].last_message_id
    expect(page.locator(f"[data-id='{newest}']")).to_be_visible(timeout=_BUSY_MS)
    assert page.locator("#lines article").count() <= _MOST_SHOWN


def test_the_focus_stays_where_a_message_is_edited(page: Page, chat: LongChat) -> None:
    last = page.locator("#lines article").last
    last.get_by_role("button", name="Details").focus()

    chat.edit(1)

    expect(last).to_contain_text("edited just now")
    expect(last.get_by_role("button", name="Details")).to_be_focused()


def test_screen_readers_are_told_of_messages_but_not_of_edits(page: Page, chat: LongChat) -> None:
    heard = page.get_by_role("status").filter(has_text="jimeng")
    assert page.locator("#lines").get_attribute("aria-live") == "off"

    chat.edit(1)
    expect(page.locator("#lines article").last).to_contain_text("edited just now")
    expect(heard).to_have_count(0)

    chat.send(1)
    expect(heard).to_have_count(1)
