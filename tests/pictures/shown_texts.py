"""Which of the bot's texts each picture shows, so that a test can tell when one has changed since."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
FOLDER = _ROOT / "docs" / "pictures"
_RECORD = FOLDER / "texts.json"
_LOCALES = _ROOT / "bot" / "messages" / "locales"
_SHORTEST = {"en": 8, "zh": 4}  # characters of a text that tell it from others


def texts(language: str) -> dict[str, str]:
    """All texts of a language, by key."""
    return dict(_flat(tomllib.loads((_LOCALES / f"{language}.toml").read_text(encoding="utf-8"))))


def recorded() -> dict[str, dict[str, str]]:
    """The texts that each picture shows, by picture and key."""
    found: dict[str, dict[str, str]] = json.loads(_RECORD.read_text(encoding="utf-8"))
    return found


def record(picture: str, language: str, shown: str) -> None:
    """Keep which texts a picture shows."""
    known = recorded() if _RECORD.exists() else {}
    shown = " ".join(shown.split())
    known[picture] = {key: text for key, text in texts(language).items() if _is_in(text, shown, language)}
    content = json.dumps(known, ensure_ascii=False, indent=2, sort_keys=True)
    _RECORD.write_text(f"{content}\n", encoding="utf-8")


def _is_in(text: str, shown: str, language: str) -> bool:
    """Whether all fixed parts of a text are in the picture, and one is long enough to tell."""
    parts = [" ".join(part.split()) for part in re.split(r"<[^>]*>|\{\w+\}", text)]
    longest = max(map(len, parts))
    return longest >= _SHORTEST[language] and all(part in shown for part in parts)


def _flat(table: dict[str, Any], prefix: str = "") -> "list[tuple[str, str]]":
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return found
