"""The page with as many messages as it keeps."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from bot.sandbox.environment import GROUP
from tests.browser.long_chat import MESSAGES, LongChat, long_chat

_BUSY_MS = 30_000  # for all messages at once, on a busy machine
_SHOWN_AT_FIRST, _MOST_SHOWN = 30, 180
_CONNECTIONS = 6  # of a browser to one server
_GROUP = 2  # in the list of chats
_PHONE: ViewportSize = {"width": 390, "height": 800}
_HIDE = """(isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


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


def test_hidden_pages_leave_the_connections_to_others_and_catch_up_later(page: Page, chat: LongChat) -> None:
    hidden = [page, *(page.context.new_page() for _ in range(_CONNECTIONS - 1))]
    for each in hidden[1:]:
        each.goto(chat.address)
        expect(each.locator("#lines article")).to_have_count(_SHOWN_AT_FIRST)
    for each in hidden:
        each.evaluate(_HIDE, True)
    seventh = page.context.new_page()
    seventh.goto(chat.address)
    expect(seventh.locator("#lines article")).to_have_count(_SHOWN_AT_FIRST)
    page.locator("#lines article").first.evaluate("(node) => node.dataset.kept = true")
    before = f"{page.locator('#lines article').last.get_attribute('data-id')}"

    chat.edit(1)
    chat.send(1)
    chat.send(2, topic=_renders(chat))
    expect(seventh.locator("#lines article").last).to_have_attribute("data-id", str(int(before) + 1))
    page.evaluate(_HIDE, False)

    expect(page.locator("#lines article").last).to_have_attribute("data-id", str(int(before) + 1))
    expect(page.locator(f"[data-id='{before}']")).to_contain_text("edited")
    expect(page.locator("[data-kept]")).to_have_count(1)  # and not a video that plays, either
    expect(page.locator("#chats li").nth(_GROUP).locator(".unread")).to_have_text("2")


def test_each_topic_has_its_own_number_of_unread_messages(page: Page, chat: LongChat) -> None:
    page.locator("#chats li button").nth(_GROUP).click()
    everything, renders, other = (page.locator("#topics button").nth(index) for index in range(3))
    other.click()

    chat.send(2, topic=_renders(chat))

    expect(renders.locator(".unread")).to_have_text("2")
    expect(everything.locator(".unread")).to_have_text("2")
    expect(page).to_have_title("(2) Reelwatch demo")
    page.set_viewport_size(_PHONE)  # whose parts are shown one at a time
    page.locator(".views button").last.click()
    chat.send(1, topic=_other(chat))
    expect(page.locator(".views .unread")).to_have_text("3")
    page.locator(".views button").nth(1).click()
    expect(page.locator(".views .unread")).to_have_text("2")
    renders.click()
    expect(page.locator("#topics .unread")).to_have_count(0)
    expect(page).to_have_title("Reelwatch demo")


def _renders(chat: LongChat) -> int:
    """The first topic of the group."""
    return min(chat.sandbox.telegram.state.chats[GROUP].topics)


def _other(chat: LongChat) -> int:
    return max(chat.sandbox.telegram.state.chats[GROUP].topics)
