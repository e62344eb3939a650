"""python -m tests.pictures: plays conversations through the page of the demo, and takes docs/pictures/*.webp.

Needs Chromium, and fonts with Chinese characters and emoji (Debian: fonts-noto-cjk, fonts-noto-color-emoji).
"""

import io
import itertools
import sys
from collections.abc import Iterator, Sequence

from PIL.Image import Image
from playwright.sync_api import sync_playwright

from tests.browser.chromium import FLAGS, program
from tests.browser.demo import running_demo
from tests.pictures.conversations import CONVERSATIONS, Conversation
from tests.pictures.fonts import without_a_glyph
from tests.pictures.scene import LANGUAGES, Language, Scene, Visit
from tests.pictures.shown_texts import FOLDER, LARGEST_BYTES, record

_FONTS = ("fonts-noto-cjk", "fonts-noto-color-emoji")  # of Debian
_QUALITIES = (88, 80, 70, 60)  # tried until the picture is small enough


def main() -> int:
    """Take all pictures, or those whose names begin with an argument; returns the exit status."""
    path = program()
    if path is None:
        print("Chromium is missing: apt-get install chromium", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        if missing := without_a_glyph(browser):
            print(f"No font has {' or '.join(missing)}: apt-get install {' '.join(_FONTS)}", file=sys.stderr)
            return 1
        with running_demo() as demo:
            demo.wait_for_the_tour()
            for conversation, language, theme in _wanted(sys.argv[1:]):
                _take(conversation, Visit(browser, demo.address, language, theme))
        browser.close()
    return 0


def _wanted(beginnings: Sequence[str]) -> Iterator[tuple[Conversation, Language, str]]:
    for conversation, language in itertools.product(CONVERSATIONS, LANGUAGES):
        for theme in conversation.themes:
            names = [_name(name, language, theme) for name in conversation.names]
            if any(name.startswith(tuple(beginnings) or "") for name in names):
                yield conversation, language, theme


def _take(conversation: Conversation, visit: Visit) -> None:
    """Play a conversation and take its pictures."""
    with Scene.open(visit, size=conversation.size, scale=conversation.scale) as scene:
        for each in conversation.play(scene):
            scene.take()
            picture = scene.picture()
            name, content = _name(each, visit.language, visit.theme), _webp(picture.image)
            (FOLDER / f"{name}.webp").write_bytes(content)
            record(name, visit.language.code, content, messages=picture.messages, page=picture.page)
            print(f"{name}: {len(content) / 1000:.0f} kB", flush=True)


def _name(name: str, language: Language, theme: str) -> str:
    return f"{name}-{language.code}{'-dark' if theme == 'dark' else ''}"


def _webp(image: Image) -> bytes:
    """The picture as WebP, small enough for a page of the documentation."""
    for quality in _QUALITIES:
        out = io.BytesIO()
        image.save(out, "WEBP", quality=quality, method=6)
        if out.tell() <= LARGEST_BYTES:
            break
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
