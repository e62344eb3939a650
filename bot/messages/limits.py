"""Cuts external text to Telegram's limits and escapes it. No other module escapes HTML."""

import re
from collections.abc import Sequence
from html import escape, unescape

TEXT_UNITS = 4096  # of a message, https://core.telegram.org/bots/api#sendmessage
CAPTION_UNITS = 1024  # of a caption, https://core.telegram.org/bots/api#sendvideo
NAME_UNITS = 64  # of the name of a person or chat; Telegram's first names are no longer

# Embeddings, overrides and isolates, with which a name would reverse the text around it.
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_TAG = re.compile(r"<[^<>]*>")


def utf16_len(text: str) -> int:
    """The length in UTF-16 units: an upper bound of every way in which Telegram counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """The text; if it is longer than limit UTF-16 units, its beginning and an ellipsis."""
    if utf16_len(text) <= limit:
        return text
    room = limit - 1
    for index, char in enumerate(text):
        room -= utf16_len(char)
        if room < 0:
            return text[:index].rstrip() + "…"
    return text


def name_of(full_name: str) -> str:
    """The name of a person or chat, cut; half of a surrogate pair, which no database stores, becomes "?"."""
    return cut(full_name.encode(errors="replace").decode(), NAME_UNITS)


def one_line(text: str, limit: int) -> str:
    """External text as one line: without changes of direction, white space collapsed, cut."""
    return cut(" ".join(text.translate(_DIRECTIONS).split()), limit)


def escape_line(text: str, limit: int) -> str:
    """External text as one line of HTML: as one_line(), then escaped."""
    return escape(one_line(text, limit), quote=False)


def without_markup(text: str) -> str:
    """The plain text of a message's HTML, for callback answers, which have no markup."""
    return unescape(_TAG.sub("", text))


def take_fitting(lines: Sequence[str], limit: int) -> Sequence[str]:
    """The longest prefix of the lines that fits, line breaks included, into limit UTF-16 units."""
    room = limit
    for index, line in enumerate(lines):
        room -= utf16_len(line) + 1
        if room < 0:
            return lines[:index]
    return lines
