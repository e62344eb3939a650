"""Somebody talks to the bot in the page of the demo."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.demo import Demo
from tests.browser.findings import findings

_GROUP, _SAM, _KIM = 2, 4, 5  # in the list of chats
_POLLS_MS = 30_000  # for several polls of the bot and what it writes then, on a busy machine
_PLAY = """async (video) => {
    await video.play();
    await new Promise((resolve) => video.ontimeupdate = () => video.currentTime > 0.3 && resolve());
    return [video.currentTime, video.videoWidth];
}"""


def open_chat(page: Page, index: int) -> None:
    """Choose a chat of the list."""
    page.locator("#chats li button").nth(index).click()


def submit(page: Page, **choices: str) -> str:
    """Submit a task to the gateway and return its id."""
    for name, value in choices.items():
        page.locator(f"#submit select[name={name}]").select_option(value)
    with page.expect_response("**/do/submit") as response:
        page.get_by_role("button", name="Submit a task").click()
    task_id = str(response.value.json()["id"])
    page.locator(".task", has_text=task_id).wait_for()
    return task_id


def test_the_tour_is_seen_with_its_five_videos(visit: Visit, demo: Demo) -> None:
    page = visit.page

    for chat, videos in ((0, 3), (1, 1), (2, 1)):
        open_chat(page, chat)
        expect(page.locator("#lines video")).to_have_count(videos, timeout=45_000)

    assert "✓" in demo.printed() or page.locator("#lines video").count() == 1


def test_a_task_of_the_gateway_becomes_a_video_that_plays(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _SAM)
    task_id = submit(page, kind="videos", seconds="6")

    card = page.locator(".task", has_text=task_id)
    card.get_by_role("button", name="Copy id").click()
    expect(page.locator("#toast")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == task_id
    card.get_by_role("button", name="Write /watch").click()
    expect(page.locator("#input")).to_have_value(f"/watch videos {task_id}")
    page.keyboard.press("Enter")

    video = page.locator("#lines article", has_text=task_id).locator("video")
    video.wait_for()
    played = video.evaluate(_PLAY)
    assert played[0] > 0.3
    assert played[1] == 480
    expect(page.locator(".task", has_text=task_id)).to_contain_text("fetched once")


def test_a_length_is_rounded_before_it_is_split_into_minutes(visit: Visit) -> None:
    lengths = "import('/static/strings.js').then(({ duration }) => [0.4, 59.6, 61].map(duration))"

    assert visit.page.evaluate(lengths) == ["0:00", "1:00", "1:01"]


def test_an_edit_is_shown_as_one_for_a_moment(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _SAM)
    task_id = submit(page, kind="alibailian", seconds="steps")
    page.locator("#input").fill(f"/watch wan {task_id}")
    page.keyboard.press("Enter")
    card = page.locator("#lines article.theirs", has_text=task_id).first
    expect(card).to_contain_text("Queued")

    page.locator(".task", has_text=task_id).get_by_role("button", name="Next phase").click()

    expect(card).to_contain_text("edited just now")
    expect(card).not_to_contain_text("Queued")
    expect(card).to_contain_text(re.compile(r"edited\s*\d"))


def test_a_pressed_button_changes_the_message(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _SAM)
    cards = page.locator("#lines article.theirs", has_text="Chat settings")
    card = cards.nth(cards.count())
    page.locator("#input").fill("/settings")
    page.keyboard.press("Enter")

    card.get_by_role("button", name="Nothing").click()

    expect(card).to_contain_text("Sound for: Nothing")


def test_the_menu_completes_a_command_by_the_keyboard_alone(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _SAM)
    page.locator("#input").focus()

    page.keyboard.type("/pro")
    expect(page.locator("#menu li")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator("#input")).to_have_value("/providers ")
    page.keyboard.press("Enter")

    expect(page.locator("#lines article.theirs").last).to_contain_text("jimeng")


def test_a_whole_conversation_needs_only_the_keyboard(visit: Visit) -> None:
    page, keyboard = visit.page, visit.page.keyboard
    page.locator("#chats button").first.focus()
    for _ in range(_SAM):
        keyboard.press("Tab")
    keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("Sam (admin)")
    expect(page.locator("#chats button").nth(_SAM)).to_be_focused()
    page.locator(".skip").focus()
    keyboard.press("Enter")
    expect(page.locator("#input")).to_be_focused()

    cards = page.locator("#lines article.theirs", has_text="Chat settings")
    card = cards.nth(cards.count())
    keyboard.type("/settings")
    keyboard.press("Enter")
    card.wait_for()
    keyboard.press("Shift+Tab")  # the menu's button
    keyboard.press("Shift+Tab")  # the button that replies to the newest message
    keyboard.press("Shift+Tab")
    expect(card.locator(":focus")).to_have_count(1)
    while not card.get_by_role("button", name="Every message").evaluate(
        "(node) => node === document.activeElement"
    ):
        keyboard.press("Shift+Tab")
    keyboard.press("Enter")

    expect(card).to_contain_text("Sound for: Every message")
    expect(card.locator(":focus")).to_have_count(1)


def test_a_newcomer_is_let_in_by_the_admin(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _KIM)
    page.locator("#input").fill("May I?")
    page.keyboard.press("Enter")
    expect(page.locator("#lines article.theirs").last).to_contain_text("private")
    expect(page.locator("#chats li").nth(_SAM)).to_contain_text("1")

    open_chat(page, _SAM)
    page.get_by_role("button", name="Allow").click()

    open_chat(page, _KIM)
    expect(page.locator("#lines article.theirs").last).not_to_contain_text("private")


def test_a_long_paste_is_split_as_by_telegram(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _SAM)
    before = page.locator("#lines article.mine").count()
    page.evaluate("navigator.clipboard.writeText('word '.repeat(1000))")
    page.locator("#input").focus()
    page.keyboard.press("Control+V")

    page.keyboard.press("Enter")

    expect(page.locator("#lines article.mine")).to_have_count(before + 2)


def test_a_reply_quotes_what_it_replies_to(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _SAM)
    answers = page.locator("#lines article.theirs", has_text="/providers")
    answer = answers.nth(answers.count())
    page.locator("#input").fill("/help")
    page.keyboard.press("Enter")
    answer.wait_for()

    answer.get_by_role("button", name="Reply to Reelwatch").click()
    page.locator("#input").fill("Thank you")
    page.keyboard.press("Enter")

    expect(page.locator("#lines article.mine").last.locator(".quote")).to_contain_text("Reelwatch")


def test_the_gateway_is_taken_away_and_comes_back(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _SAM)
    task_id = submit(page, kind="jimeng", seconds="steps")
    page.locator("#input").fill(f"/watch jimeng {task_id}")
    page.keyboard.press("Enter")
    card = page.locator("#lines article.theirs", has_text=task_id).first
    card.wait_for()
    switch = page.get_by_role("switch", name="Gateway away")

    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(card).to_contain_text("isn't responding", timeout=_POLLS_MS)
    expect(page.locator("#mind tr", has_text=task_id[-6:])).to_contain_text("unreachable")
    switch.click()
    expect(card).not_to_contain_text("isn't responding", timeout=_POLLS_MS)
    for _ in range(2):
        page.locator(".task", has_text=task_id).get_by_role("button", name="Next phase").click()
    page.locator("#lines article", has_text=task_id).locator("video").wait_for(timeout=_POLLS_MS)


@pytest.mark.visitor(locale="zh-CN")
def test_the_page_speaks_chinese_and_changes_to_english(visit: Visit) -> None:
    page = visit.page
    expect(page.get_by_role("button", name="提交任务")).to_be_visible()
    expect(page.locator("#title")).to_have_text("小林")

    page.get_by_role("button", name="English").click()

    expect(page.get_by_role("button", name="Submit a task")).to_be_visible()


def test_an_alert_gives_the_focus_back(visit: Visit) -> None:
    page = visit.page
    open_chat(page, _GROUP)
    task_id = submit(page, kind="jimeng", seconds="60")
    page.locator("#input").fill(f"/watch@reelwatch_bot jimeng {task_id}")
    page.keyboard.press("Enter")
    card = page.locator("#lines article.theirs", has_text=task_id).first
    page.locator("#as select").select_option(label="Anna")

    card.locator(".key").last.click()  # stop, in the group's language

    expect(page.locator("#alert")).to_be_visible()
    assert not findings(page)
    page.keyboard.press("Enter")
    expect(page.locator("#alert")).to_be_hidden()
    assert page.evaluate("document.activeElement !== document.body")


def test_the_tour_is_played_again(visit: Visit, demo: Demo) -> None:
    page = visit.page
    demo.wait_for_the_tour()
    before = page.locator(".task").count()
    again = page.get_by_role("button", name="Play the tour again")

    again.click()

    expect(page.locator(".task")).not_to_have_count(before)
    again.click()
    expect(page.locator("#toast")).to_contain_text("is being played")
    assert all("400" in each for each in visit.complaints)  # of the request that was refused
    visit.complaints.clear()
