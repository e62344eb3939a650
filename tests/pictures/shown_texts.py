"""What each picture shows: its size, the texts of the bot and its page, so that a test can compare them."""

import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from PIL import Image

_ROOT = Path(__file__).parents[2]
FOLDER = _ROOT / "docs" / "pictures"
LARGEST_BYTES = 200_000  # of a picture
_RECORD = FOLDER / "texts.json"
_LOCALES = _ROOT / "bot" / "messages" / "locales"
_STRINGS = _ROOT / "bot" / "sandbox" / "web" / "static" / "strings.js"
_WORD = re.compile(r'^    (\w+): "(.*)",$', re.MULTILINE)
_COUNTED = re.compile(r"^    (\w+): \{ (.+) \},$", re.MULTILINE)
_SHORTEST = {"en": 7, "zh": 4}  # characters of a text that tell it from others
_LONGEST_VALUE = 80  # characters that stand for a {placeholder}


class Shown(TypedDict):
    """What a picture shows."""

    size: list[int]  # width, height
    texts: dict[str, str]  # by key


def catalogue(language: str) -> dict[str, str]:
    """All texts of a language, by key."""
    return dict(_flat(tomllib.loads((_LOCALES / f"{language}.toml").read_text(encoding="utf-8"))))


def words(language: str) -> dict[str, str]:
    """The page's own words in a language, by key."""
    _, _, both = _STRINGS.read_text(encoding="utf-8").partition("\n  en: {\n")
    english, _, chinese = both.partition("\n  zh: {\n")
    part = {"en": english, "zh": chinese.partition("\n};\n")[0]}[language]
    found = {f"page.{key}": word for key, word in _WORD.findall(part)}
    for key, forms in _COUNTED.findall(part):
        found |= {f"page.{key}.{form}": word for form, word in re.findall(r'(\w+): "(.*?)"', forms)}
    return found


def recorded() -> dict[str, Shown]:
    """What the pictures show, by name."""
    found: dict[str, Shown] = json.loads(_RECORD.read_text(encoding="utf-8"))
    return found


def size(picture: bytes) -> list[int]:
    """Width and height of a WebP picture; raises OSError if it is none."""
    with Image.open(io.BytesIO(picture), formats=["WEBP"]) as image:
        return list(image.size)


def record(name: str, language: str, picture: bytes, *, messages: Sequence[str], page: Sequence[str]) -> None:
    """Keep what a picture shows: the bot's messages, and all the page's text."""
    known = recorded() if _RECORD.exists() else {}
    texts = _texts_in(messages, catalogue(language), _SHORTEST[language])
    texts |= _texts_in(page, words(language), _SHORTEST[language])
    known[name] = {"size": size(picture), "texts": texts}
    content = json.dumps(known, ensure_ascii=False, indent=2, sort_keys=True)
    _RECORD.write_text(f"{content}\n", encoding="utf-8")


def _texts_in(shown: Sequence[str], texts: Mapping[str, str], shortest: int) -> dict[str, str]:
    """The texts that are shown and long enough to tell."""
    found = {}
    lines = [" ".join(each.split()) for each in shown]
    for key, text in texts.items():
        parts = [" ".join(part.split(" ")) for part in re.split(r"\{\w+\}", re.sub(r"<[^>]*>", "", text))]
        pattern = f".{{1,{_LONGEST_VALUE}}}?".join(re.escape(" ".join(part.split("\n"))) for part in parts)
        if max(map(len, parts)) >= shortest and any(re.search(pattern, line) for line in lines):
            found[key] = text
    return found


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
