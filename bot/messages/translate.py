"""Key and parameters → text in a person's language, out of locales/."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

ENGLISH = "en"
CHINESE = "zh"
LANGUAGES = (ENGLISH, CHINESE)
_LOCALES = Path(__file__).with_name("locales")


def pick_language(setting: str, telegram_code: str | None, chat_language: str | None) -> str:
    """The language to answer in: the setting's unless it is auto, else the person's, else the chat's.

    telegram_code: an IETF tag such as zh-hans; every language but Chinese is answered in English.
    """
    wish = setting if setting in LANGUAGES else telegram_code or chat_language or ENGLISH
    return CHINESE if wish.lower().startswith(CHINESE) else ENGLISH


def t(language: str, key: str, **params: object) -> str:
    """The text of a key, in English where the language lacks it; KeyError for a key that no language has.

    The text is HTML and params must be escaped already. A key with plural forms is chosen by count.
    """
    if "count" in params:
        key = _plural(language, key, params["count"])
    text = catalogue(language).get(key) or catalogue(ENGLISH)[key]
    return text.format(**params)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of a language by their dotted keys; empty for a language that there is none of."""
    if language not in LANGUAGES:
        return MappingProxyType({})
    source = _LOCALES / f"{language}.toml"
    return MappingProxyType(dict(_flat(tomllib.loads(source.read_text(encoding="utf-8")))))


def _plural(language: str, key: str, count: object) -> str:
    one = f"{key}.one"
    return one if count == 1 and one in catalogue(language) else f"{key}.many"


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
