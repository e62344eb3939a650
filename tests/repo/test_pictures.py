"""The pictures of the documentation are small, in both languages, and show the texts that the bot has now."""

import re
import tomllib

import pytest

from tests.pictures.conversations import CONVERSATIONS
from tests.pictures.scene import LANGUAGES
from tests.pictures.shown_texts import FOLDER, LARGEST_BYTES, catalogue, recorded, size, words
from tests.repo.tree import ROOT, files, text

AGAIN = "take it again: make pictures, or python -m tests.pictures NAME"
NAMES = sorted(
    f"{name}-{language.code}{'-dark' if theme == 'dark' else ''}"
    for conversation in CONVERSATIONS
    for name in conversation.names
    for language in LANGUAGES
    for theme in conversation.themes
)


def test_every_picture_is_taken_and_no_other_is_kept():
    assert sorted(path.stem for path in FOLDER.glob("*.webp")) == NAMES
    assert sorted(recorded()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_and_as_large_as_recorded(name: str):
    content = (FOLDER / f"{name}.webp").read_bytes()

    assert len(content) <= LARGEST_BYTES
    assert size(content) == recorded()[name]["size"]


@pytest.mark.parametrize("name", NAMES)
def test_the_texts_in_a_picture_are_still_those_of_the_bot_and_its_page(name: str):
    shown = recorded()[name]["texts"]
    language = "zh" if "-zh" in name else "en"
    now = catalogue(language) | words(language)

    changed = {key: now.get(key) for key, value in shown.items() if now.get(key) != value}

    assert {key.startswith("page.") for key in shown} == {True, False}, f"{name} has no texts; {AGAIN}"
    assert not changed, f"docs/pictures/{name}.webp shows former texts; {AGAIN}"


def test_every_picture_that_a_page_shows_exists():
    pages = [path for path in files(ROOT) if path.suffix == ".md"]
    shown = {
        name
        for page in pages
        for name in re.findall(r"pictures/([\w-]+)\.webp", page.read_text(encoding="utf-8"))
    }

    assert shown
    assert sorted(shown - set(NAMES)) == []


def test_no_picture_is_in_the_image_or_a_distribution():
    targets = tomllib.loads(text("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]

    assert targets["wheel"]["packages"] == ["bot", "storage"]
    assert "/docs/pictures" in targets["sdist"]["exclude"]
    assert [line for line in text(".dockerignore").splitlines() if line.startswith("!docs")] == []
