"""The conversations of the pictures: what is written, pressed and waited for before a picture is taken."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from playwright.sync_api import Browser, Locator, Page, expect

_SAM = 4  # in the list of chats
_REASON = "The output video may contain sensitive information."
_WIDE = 860  # pixels, from which on all parts of the page are shown
_PATIENCE_MS = 45_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language of the pictures, and the person who speaks it in the demo."""

    code: str  # as in the names of the pictures
    locale: str
    person: int  # in the list of chats
    admin: int  # who is asked
    newcomer: int
    newcomer_id: int


LANGUAGES = (
    Language(code="en", locale="en-GB", person=0, admin=_SAM, newcomer=5, newcomer_id=1004),
    Language(code="zh", locale="zh-CN", person=1, admin=1, newcomer=6, newcomer_id=1005),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a picture shows."""

    name: str
    play: "Callable[[Scene], None]"
    themes: tuple[str, ...] = ("light",)
    undo: "Callable[[Scene], None] | None" = None  # after the picture
    size: tuple[int, int] = (520, 760)  # of the window; narrow ones show the conversation only
    scale: float = 2.0


@dataclass(slots=True, kw_only=True)
class Scene:
    """A page in which a conversation is played."""

    page: Page
    language: Language

    @classmethod
    @contextmanager
    def open(
        cls, browser: Browser, address: str, *, conversation: Conversation, language: Language, theme: str
    ) -> Iterator[Self]:
        """Open the page for a conversation."""
        width, height = conversation.size
        context = browser.new_context(
            locale=language.locale,
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": height},
            device_scale_factor=conversation.scale,
            bypass_csp=True,  # to leave out earlier messages
        )
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(address)
        page.locator("#chats li").first.wait_for(state="attached")
        yield cls(page=page, language=language)
        context.close()

    def open_chat(self, index: int, *, is_whole: bool = False) -> None:
        """Choose a chat; what was said there before is left out of the picture unless is_whole."""
        self.page.evaluate(_OPEN, index)
        earlier = 0 if is_whole else self.page.locator("#lines > *").count()
        self.page.evaluate(_LEAVE_OUT, earlier)

    def say(self, text: str) -> None:
        """Write a message."""
        self.page.locator("#input").fill(text)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#input")).to_have_value("")

    def submit(self, **task: object) -> str:
        """Submit a task to the gateway, as a script would; returns its id."""
        given = {"kind": "videos", "seconds": 6} | task
        return str(self.page.evaluate(_SUBMIT, given))

    def switch(self, name: str, *, on: bool) -> None:
        """Break something, or mend it."""
        self.page.evaluate(_SWITCH, {"name": name, "on": on})

    def messages(self, text: str | re.Pattern[str]) -> Locator:
        """The bot's messages with a text."""
        return self.page.locator("#lines article.theirs:visible").filter(has_text=text)

    def picture(self) -> bytes:
        """The page as it is, without the marks of the last edit."""
        self.page.mouse.move(0, 0)
        self.page.locator("#input").blur()
        self.page.wait_for_timeout(3000)  # until the marks of edits are gone
        is_narrow = self.page.evaluate("innerWidth") < _WIDE
        shown = self.page.locator("#conversation") if is_narrow else self.page.locator("body")
        return shown.screenshot(animations="disabled")

    def text(self) -> str:
        """What the bot says in the picture."""
        return "\n".join(self.page.locator("#lines article.theirs:visible").all_inner_texts())


_POST = """(path, given) => fetch(path, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(given),
}).then((response) => response.json())"""
_SUBMIT = f"async (given) => (await ({_POST})('/do/submit', given)).id"
_OPEN = "(index) => document.querySelectorAll('#chats li button')[index].click()"
_LEAVE_OUT = """(count) => {
    const made = () => document.head.appendChild(document.createElement("style"));
    const style = document.querySelector("style") ?? made();
    style.textContent = `#lines > :nth-child(-n + ${count}) { display: none; }`;
}"""
_SEND = f"async (given) => await ({_POST})('/do/send', given)"
_SWITCH = f"async (given) => await ({_POST})('/do/switch', given)"


def _video(scene: Scene) -> None:
    scene.open_chat(scene.language.person)
    task_id = scene.submit(kind="videos")
    scene.say(f"/watch sora {task_id}")
    player = scene.messages(task_id).locator("video")
    player.wait_for()
    player.evaluate("async (it) => { it.currentTime = 1.1; await new Promise((go) => it.onseeked = go); }")


def _batch(scene: Scene) -> None:
    scene.open_chat(scene.language.person)
    ids = [scene.submit(kind="jimeng", seconds=seconds) for seconds in (3, 4, 60)]
    ids.append(scene.submit(kind="jimeng", seconds=3, fails=_REASON))
    scene.say("\n".join(["/watch jimeng", *ids]))
    expect(scene.page.locator("#lines video:visible")).to_have_count(2)
    scene.page.wait_for_timeout(6000)  # the batch's card follows


def _letting_in(scene: Scene) -> None:
    scene.open_chat(scene.language.admin)
    scene.page.evaluate(_SEND, {"chat": scene.language.newcomer_id, "text": "/start"})
    scene.page.locator("#lines article:visible .key").first.wait_for()
    scene.page.locator("#lines article:visible .key").first.click()
    scene.page.wait_for_timeout(1000)
    scene.page.evaluate(
        "(index) => document.querySelectorAll('#chats li button')[index].click()", scene.language.newcomer
    )
    scene.messages(re.compile(".")).nth(1).wait_for()


def _settings(scene: Scene) -> None:
    scene.open_chat(scene.language.person)
    scene.say("/settings")
    scene.page.locator("#lines article:visible .key").first.wait_for()


def _outage(scene: Scene) -> None:
    scene.open_chat(_SAM)  # after an earlier outage the bot must know that the gateway is back
    task_id = scene.submit(kind="alibailian", seconds=3)
    scene.say(f"/watch wan {task_id}")
    scene.messages(task_id).locator("video").wait_for()
    scene.open_chat(scene.language.person)
    task_id = scene.submit(kind="alibailian", seconds=12)
    scene.say(f"/watch wan {task_id}")
    scene.messages(task_id).first.wait_for()
    scene.switch("gatewayAway", on=True)
    scene.messages("⚠️").first.wait_for()


def _end_outage(scene: Scene) -> None:
    scene.switch("gatewayAway", on=False)


def _link(scene: Scene) -> None:
    scene.open_chat(scene.language.person)
    task_id = scene.submit(kind="jimeng", seconds=3, isHuge=True)
    scene.say(f"/watch jimeng {task_id}")
    scene.page.locator("#lines article:visible .text a").first.wait_for()


CONVERSATIONS = (
    Conversation(name="video", play=_video, themes=("light", "dark"), size=(1280, 800), scale=1.5),
    Conversation(name="batch", play=_batch, size=(520, 1150)),
    Conversation(name="settings", play=_settings),
    Conversation(name="outage", play=_outage, undo=_end_outage, themes=("light", "dark")),
    Conversation(name="link", play=_link),
    Conversation(name="letting-in", play=_letting_in),
)
