"""python -m tests.pictures: plays conversations through the page of the demo, and takes docs/pictures/*.webp.

Needs Chromium, and fonts with Chinese characters and emoji (Debian: fonts-noto-cjk, fonts-noto-color-emoji).
"""

import io
import itertools
import sys
from collections.abc import Iterator, Sequence

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.chromium import FLAGS, program
from tests.browser.demo import running_demo
from tests.pictures.conversations import CONVERSATIONS, LANGUAGES, Conversation, Language, Scene
from tests.pictures.shown_texts import FOLDER, record

_LARGEST_BYTES = 200_000
_QUALITIES = (88, 80, 70, 60)  # tried until the picture is small enough


def main() -> int:
    """Take all pictures, or those whose names begin with an argument; returns the exit status."""
    path = program()
    if path is None:
        print("Chromium is missing: apt-get install chromium", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with running_demo() as demo, sync_playwright() as playwright:
        demo.wait_for_the_tour()
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for conversation, language, theme in _wanted(sys.argv[1:]):
            with Scene.open(
                browser, demo.address, conversation=conversation, language=language, theme=theme
            ) as scene:
                conversation.play(scene)
                name, content = _name(conversation, language, theme), _webp(scene.picture())
                (FOLDER / f"{name}.webp").write_bytes(content)
                record(name, language.code, scene.text())
                if conversation.undo is not None:
                    conversation.undo(scene)
                print(f"{name}: {len(content) / 1000:.0f} kB", flush=True)
        browser.close()
    return 0


def _wanted(beginnings: Sequence[str]) -> Iterator[tuple[Conversation, Language, str]]:
    for conversation, language in itertools.product(CONVERSATIONS, LANGUAGES):
        for theme in conversation.themes:
            if _name(conversation, language, theme).startswith(tuple(beginnings) or ""):
                yield conversation, language, theme


def _name(conversation: Conversation, language: Language, theme: str) -> str:
    return f"{conversation.name}-{language.code}{'-dark' if theme == 'dark' else ''}"


def _webp(png: bytes) -> bytes:
    """The picture as WebP, small enough for a page of the documentation."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for quality in _QUALITIES:
        out = io.BytesIO()
        image.save(out, "WEBP", quality=quality, method=6)
        if out.tell() <= _LARGEST_BYTES:
            break
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
