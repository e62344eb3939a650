"""Sanitises vendor text for logs and chats: bounded, printable, without keys and signed links."""

import re

from bot.redaction import hide

HIDDEN = "***"
_READ_AT_MOST = 4_000  # characters of the vendor's text that are read
_PIECE = 8  # characters of the configured key that are hidden wherever they occur
_SHORTEST_KEY = 6  # a shorter one can't be distinguished from words
_JOINER = "\u200d"  # joins family and flag emoji
# Only in vendor text, since people write asterisks too: words that the vendor has masked, its request ids.
_VENDOR_RULES = (
    (re.compile(r"(?<![\w-])[\w-]*\*{3,}[\w-]*", re.ASCII), HIDDEN),
    (re.compile(r" ?[(（\[]?\brequest[ _-]?id ?[:：=] ?[\w-]+[)）\]]?", re.IGNORECASE), ""),
)


class Scrubber:
    """Removes one account's secrets from vendor text."""

    def __init__(self, key: str) -> None:
        """key: the account's own; no substring of it of eight characters or more is kept."""
        self._key = key
        self._piece = min(_PIECE, len(key)) if len(key) >= _SHORTEST_KEY else 0

    def __call__(self, text: str, limit: int, *, is_from_vendor: bool = True) -> str:
        """Return a text in one line of at most limit characters.

        is_from_vendor: False for a user's, such as a prompt, in which asterisks and request ids are kept.
        """
        text = text[:_READ_AT_MOST].encode("utf-8", "replace").decode("utf-8")
        text = "".join(char if char.isprintable() or char == _JOINER else " " for char in text)
        text = self._without_key(" ".join(text.split()))
        text = hide(text, HIDDEN)
        for pattern, instead in _VENDOR_RULES if is_from_vendor else ():
            text = pattern.sub(instead, text)
        text = text.strip()
        return text if len(text) <= limit else text[: limit - 1] + "…"

    def _without_key(self, text: str) -> str:
        """Replace each longest piece of the key by the mark, from left to right."""
        if self._piece == 0:
            return text
        kept: list[str] = []
        at = 0
        while at < len(text):
            end = at + self._piece
            if len(text[at:end]) == self._piece and text[at:end] in self._key:
                while end < len(text) and text[at : end + 1] in self._key:
                    end += 1
                kept.append(HIDDEN)
                at = end
            else:
                kept.append(text[at])
                at += 1
        return "".join(kept)
