"""Foreign text made fit for a message: cut to Telegram's limits, and escaped. Nothing else escapes HTML."""

from collections.abc import Sequence
from html import escape

TEXT_UNITS = 4096  # of a message, https://core.telegram.org/bots/api#sendmessage
CAPTION_UNITS = 1024  # of a caption, https://core.telegram.org/bots/api#sendvideo


def utf16_len(text: str) -> int:
    """The length in UTF-16 units: never less than by any other way in which Telegram counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """The text, or as much of its beginning as fits into limit UTF-16 units together with an ellipsis."""
    if utf16_len(text) <= limit:
        return text
    room = limit - 1
    for place, char in enumerate(text):
        room -= utf16_len(char)
        if room < 0:
            return text[:place].rstrip() + "…"
    return text


def escape_line(text: str, limit: int) -> str:
    """Foreign text as one line of HTML: white space evened out, cut, then escaped."""
    return escape(cut(" ".join(text.split()), limit), quote=False)


def take_fitting(lines: Sequence[str], limit: int) -> Sequence[str]:
    """As many of the first lines as fit, line breaks included, into limit UTF-16 units."""
    room = limit
    for place, line in enumerate(lines):
        room -= utf16_len(line) + 1
        if room < 0:
            return lines[:place]
    return lines
