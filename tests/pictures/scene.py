"""A page of the demo in which a conversation is played, and the picture of it."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from PIL.Image import Image
from PIL.Image import new as new_image
from PIL.Image import open as open_image
from playwright.sync_api import Browser, Locator, Page, expect

_WIDE = 860  # pixels, from which on all parts of the page are shown
_PATIENCE_MS = 90_000
_EDIT_MS = 3000  # until the marks of an edit are gone
_RESIZE_MS = 300
_GAP = 24  # pixels of the picture, transparent
_MOMENT_S = 1.1  # of the videos, which is shown
_TALLEST = 1400  # pixels of a window


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language of the pictures, and the people who speak it in the demo."""

    code: str  # as in the names of the pictures
    locale: str
    person: int  # in the list of chats
    person_name: str
    admin: int  # who is asked
    newcomer: int
    newcomer_id: int


LANGUAGES = (
    Language(code="en", locale="en-GB", person=0, person_name="Anna", admin=4, newcomer=5, newcomer_id=1004),
    Language(code="zh", locale="zh-CN", person=1, person_name="小林", admin=1, newcomer=6, newcomer_id=1005),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """Where the page is, and who looks at it."""

    browser: Browser
    address: str
    language: Language
    theme: str  # "light" or "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image, and the texts in it."""

    image: Image
    messages: list[str]  # the bot's
    page: list[str]  # all lines


@dataclass(slots=True, kw_only=True)
class Scene:
    """A page in a window of its own."""

    page: Page
    language: Language
    _images: list[Image] = field(default_factory=list)  # from left to right
    _messages: list[str] = field(default_factory=list)  # the bot's in them
    _page: list[str] = field(default_factory=list)  # all texts in them

    @classmethod
    @contextmanager
    def open(cls, visit: Visit, *, size: tuple[int, int], scale: float) -> Iterator[Self]:
        """Open the page in a window of this size."""
        context = visit.browser.new_context(
            locale=visit.language.locale,
            color_scheme="dark" if visit.theme == "dark" else "light",
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=scale,
            bypass_csp=True,  # to leave out earlier messages
        )
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(visit.address)
        page.locator("#chats li").first.wait_for(state="attached")
        page.evaluate(_STYLE, "#nothing")
        yield cls(page=page, language=visit.language)
        context.close()

    def open_chat(self, index: int, *, topic: str | None = None, is_whole: bool = False) -> None:
        """Choose a chat; what was said there before is left out of the picture unless is_whole."""
        self.page.evaluate(_OPEN, index)
        if topic is not None:
            self.page.locator("#topics button").get_by_text(topic).click()
        earlier = 0 if is_whole else self.page.locator("#lines > *").count()
        self.page.evaluate(_STYLE, f"#lines > :nth-child(-n + {earlier})")

    def message_ids(self, messages: Locator | None = None) -> list[str]:
        """The ids of messages; None: of all that are shown."""
        found = self.page.locator("#lines article:visible") if messages is None else messages
        return [f"{each.get_attribute('data-id')}" for each in found.all()]

    def show_only(self, ids: Sequence[str]) -> None:
        """Leave out all other messages."""
        self.page.evaluate(_STYLE, "#lines > " + "".join(f':not([data-id="{each}"])' for each in ids))

    def act_as(self, name: str) -> None:
        """Choose who writes in a group."""
        self.page.locator("#as select").select_option(label=name)

    def say(self, text: str) -> None:
        """Write a message."""
        self.page.locator("#input").fill(text)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#input")).to_have_value("")

    def send(self, *, chat: int, text: str) -> None:
        """Write a message in another chat."""
        self.page.evaluate(_SEND, {"chat": chat, "text": text})

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

    def show_frames(self, count: int) -> None:
        """Wait for so many videos, and show a moment from the middle of each."""
        players = self.page.locator("#lines video:visible")
        expect(players).to_have_count(count, timeout=_PATIENCE_MS)
        for player in players.all():
            player.evaluate(_SEEK, _MOMENT_S)

    def take(self) -> None:
        """Take an image of the page as high as its messages, to the left of those taken before."""
        self.page.mouse.move(0, 0)
        self.page.evaluate("document.activeElement?.blur()")
        self.page.locator("#toast").wait_for(state="hidden")
        self.page.wait_for_timeout(_EDIT_MS)  # without the marks of the last one
        width, height = self.page.evaluate("[innerWidth, innerHeight]")
        missing = int(self.page.evaluate(_MISSING))
        height = min(height + (max(missing, 0) if self._images else missing), _TALLEST)
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_timeout(_RESIZE_MS)
        shown = self.page.locator("body" if width >= _WIDE else "#conversation")
        image = open_image(io.BytesIO(shown.screenshot(animations="disabled")))
        self._images.insert(0, image.convert("RGB"))
        self._messages += self.page.locator("#lines article.theirs:visible").all_inner_texts()
        self._page += [
            *shown.inner_text().splitlines(),
            f"{self.page.locator('#input').get_attribute('placeholder')}",
        ]

    def picture(self) -> Picture:
        """The images that were taken, side by side."""
        images, messages, page = self._images, self._messages, self._page
        self._images, self._messages, self._page = [], [], []
        width = sum(image.width for image in images) + _GAP * (len(images) - 1)
        picture = new_image("RGBA", (width, max(image.height for image in images)))
        right = 0
        for image in images:
            picture.paste(image, (right, 0))
            right += image.width + _GAP
        return Picture(image=picture, messages=messages, page=page)


_POST = """(path, given) => fetch(path, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(given),
}).then((response) => response.json())"""
_SUBMIT = f"async (given) => (await ({_POST})('/do/submit', given)).id"
_SEND = f"async (given) => await ({_POST})('/do/send', given)"
_SWITCH = f"async (given) => await ({_POST})('/do/switch', given)"
_OPEN = "(index) => document.querySelectorAll('#chats li button')[index].click()"
# Narrower letters than those of DejaVu, which Debian has without a desktop; its marks are wide ones.
_FONT = """
@font-face { font-family: Letters; unicode-range: U+20-7E; src: local("NotoSansCJKsc-Regular"); }
@font-face { font-family: Letters; unicode-range: U+20-7E; src: local("NotoSansCJKsc-Bold"); font-weight: 700}
body { font-family: Letters, "DejaVu Sans", "Noto Sans CJK SC", sans-serif; }
"""
_STYLE = """(left_out) => {
    const made = () => document.head.appendChild(document.createElement("style"));
    const style = document.querySelector("style") ?? made();
    style.textContent = `FONT ${left_out} { display: none; }`;
}""".replace("FONT", _FONT)
_SEEK = """async (player, seconds) => {
    if (player.readyState < 1) await new Promise((go) => player.onloadedmetadata = go);
    player.currentTime = seconds;
    await new Promise((go) => player.onseeked = go);
}"""
_MISSING = "document.getElementById('lines').offsetHeight - document.getElementById('log').clientHeight"
