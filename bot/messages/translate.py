"""Looks up texts by language and key in locales/, and formats them."""

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
    """The language of messages: the setting's unless it is auto, else the user's, else the chat's.

    telegram_code: an IETF tag such as zh-hans; every language but Chinese falls back to English.
    """
    wanted = setting if setting in LANGUAGES else telegram_code or chat_language or ENGLISH
    return CHINESE if wanted.lower().startswith(CHINESE) else ENGLISH


def t(language: str, key: str, **params: object) -> str:
    """The text of a key, in English if the language lacks it; raises KeyError for an unknown key.

    The text is HTML; params must be escaped already. The parameter count selects the plural category: "one"
    for 1 if the language has such a text, else "other". https://cldr.unicode.org/index/cldr-spec/plural-rules
    """
    if "count" in params:
        is_one = params["count"] == 1 and f"{key}.one" in catalogue(language)
        key = f"{key}.one" if is_one else f"{key}.other"
    text = catalogue(language).get(key) or catalogue(ENGLISH)[key]
    return text.format(**params)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of a language by dotted key; empty for an unknown language."""
    if language not in LANGUAGES:
        return MappingProxyType({})
    source = _LOCALES / f"{language}.toml"
    return MappingProxyType(dict(_flat(tomllib.loads(source.read_text(encoding="utf-8")))))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
