"""What of a text every engine can store."""

import re
from typing import Any

_UNSTORABLE = re.compile(
    "[\0\ud800-\udfff]"
)  # half a surrogate pair has no UTF-8, and PostgreSQL refuses NUL


def storable(value: Any) -> Any:
    """The value; in a text, U+FFFD for each character that an engine refuses. Other types are unchanged."""
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)


def printable(text: str) -> str:
    """A text that others have written to the database, for one line of a log, a table or a status."""
    return "".join(each if each.isprintable() else "?" for each in text)
