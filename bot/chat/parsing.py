"""What a person typed → the words that count."""

import re

_BLANK_LINE = re.compile(r"\n\s*\n")
_BETWEEN = re.compile(r"[\s,;，；、：。]+")
# What people and their clipboards put around an id; none of it can be part of one.
_AROUND = "`'\"<>()[]{}“”‘’«»「」《》\u200b\u200e\u200f\u2060\ufeff"
_DIGIT = re.compile("[0-9]")


def words(text: str) -> tuple[str, ...]:
    """The words after the command, each once, without what stands around them.

    A further paragraph counts only if each of its words has a digit, as ids have: n8n ends what it sends
    with "This message was sent automatically with n8n".
    """
    _, *rest = text.split(maxsplit=1)
    first, *further = map(_words_in, _BLANK_LINE.split(rest[0] if rest else ""))
    ids = [found for found in further if all(map(_DIGIT.search, found))]
    return tuple(dict.fromkeys(sum(ids, first)))


def _words_in(paragraph: str) -> list[str]:
    stripped = (word.strip(_AROUND) for word in _BETWEEN.split(paragraph))
    return [word for word in stripped if word]
