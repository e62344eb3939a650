"""Reads HTML as Telegram would: https://core.telegram.org/bots/api#html-style."""

import re
from html.parser import HTMLParser

_TAGS = {"b": "", "code": "", "pre": "", "blockquote": "(expandable=)?", "tg-time": r"unix=\d+ format=dt"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = " ".join(f"{name}={value or ''}" for name, value in attrs)
        if tag not in _TAGS or not re.fullmatch(_TAGS[tag], attributes):
            raise AssertionError(f"Telegram would refuse <{tag} {attrs}>")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text += data

    def close(self) -> None:
        super().close()
        if self._open:
            raise AssertionError(f"{self._open} are not closed")


def visible(html: str) -> str:
    """What a person sees; AssertionError for HTML that Telegram would refuse."""
    if "&" in html.replace("&amp;", "").replace("&lt;", "").replace("&gt;", ""):
        raise AssertionError(f"An & that is not escaped in {html!r}")
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text


def utf16_units(html: str) -> int:
    """How long Telegram takes the visible text to be, at the most."""
    return len(visible(html).encode("utf-16-le")) // 2
