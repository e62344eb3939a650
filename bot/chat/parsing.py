"""What a person typed → the words that count."""

import re

_BETWEEN = re.compile(r"[\s,;，；、]+")
# What people and their clipboards put around an id; none of it can be part of one.
_AROUND = "`'\"<>()[]{}“”‘’«»「」《》\u200b\u200e\u200f\u2060\ufeff"


def words(text: str) -> tuple[str, ...]:
    """The words after the command, each once, without what stands around them."""
    _, *rest = text.split(maxsplit=1)
    found = (word.strip(_AROUND) for word in _BETWEEN.split(rest[0] if rest else ""))
    return tuple(dict.fromkeys(word for word in found if word))
