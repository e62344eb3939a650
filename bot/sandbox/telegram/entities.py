"""Telegram's HTML subset → text and entities: https://core.telegram.org/bots/api#html-style.

As strict as the real parser (td, MessageEntity.cpp, parse_html), with the same error texts.
"""

import html
import re
from dataclasses import dataclass
from typing import Any

from bot.sandbox.telegram.api_errors import bad_request

_KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
    "tg-time": "date_time",
}
_TIME_FORMAT = re.compile("r|w?[dD]?[tT]?")
_TAG = re.compile(r"<(/?)([A-Za-z][-A-Za-z0-9]*)((?:\s[^<>]*)?)>")
_REFERENCE = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")
_ATTRIBUTE = re.compile(r"""\s*([-\w]+)(?:\s*=\s*("[^"]*"|'[^']*'|[-\w.]+))?""")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    tag: str
    offset: int  # in UTF-16 units of the text
    attributes: dict[str, str]


def utf16_length(text: str) -> int:
    """The length in UTF-16 units, as in entity offsets."""
    return len(text.encode("utf-16-le")) // 2


def parse_html(source: str) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Return text and entities; raises ApiError."""
    text, entities, stack = "", [], list[_Open]()
    position = 0
    while position < len(source):
        if source[position] != "<":
            end = source.find("<", position)
            end = len(source) if end < 0 else end
            text += _REFERENCE.sub(lambda match: html.unescape(match[0]), source[position:end])
            position = end
            continue
        tag = _read_tag(source, position)
        position = tag.end()
        if tag[1]:
            entities += _close(stack, tag, text)
        else:
            stack.append(_Open(tag=tag[2].lower(), offset=utf16_length(text), attributes=_attributes(tag[3])))
    if stack:
        raise _refused(f'Can\'t find end tag corresponding to start tag "{stack[-1].tag}"')
    return text, tuple(sorted(entities, key=lambda entity: (entity["offset"], -entity["length"])))


def trimmed(text: str, entities: tuple[dict[str, Any], ...]) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Strip white space, as Telegram does, and shift the entities."""
    lead = utf16_length(text) - utf16_length(text.lstrip())
    text = text.strip()
    length = utf16_length(text)
    kept = []
    for entity in entities:
        start = max(entity["offset"] - lead, 0)
        end = min(entity["offset"] - lead + entity["length"], length)
        if end > start:
            kept.append(entity | {"offset": start, "length": end - start})
    return text, tuple(kept)


def _read_tag(source: str, position: int) -> re.Match[str]:
    tag = _TAG.match(source, position)
    at = len(source[:position].encode())
    if tag is None:
        if ">" not in source[position:]:
            raise _refused(f"Unclosed start tag at byte offset {at}")
        name = re.split(r"[\s>]", source[position + 1 :], maxsplit=1)[0]
        raise _refused(f'Unsupported start tag "{name}" at byte offset {at}')
    if not tag[1]:
        name, attributes = tag[2].lower(), _attributes(tag[3])
        if name not in _KINDS:
            raise _refused(f'Unsupported start tag "{name}" at byte offset {at}')
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise _refused(f'Tag "span" must have class "tg-spoiler" at byte offset {at}')
        if name == "tg-time" and not _is_time(attributes):
            raise _refused(f'Tag "tg-time" must have attribute "unix" and a valid format at byte offset {at}')
    return tag


def _close(stack: list[_Open], tag: re.Match[str], text: str) -> list[dict[str, Any]]:
    at = len(tag.string[: tag.start()].encode())
    if not stack:
        raise _refused(f"Unexpected end tag at byte offset {at}")
    opened = stack.pop()
    if opened.tag != tag[2].lower():
        raise _refused(
            f'Unmatched end tag at byte offset {at}, expected "</{opened.tag}>", found "</{tag[2].lower()}>"'
        )
    entity: dict[str, Any] = {
        "type": _KINDS[opened.tag],
        "offset": opened.offset,
        "length": utf16_length(text) - opened.offset,
    }
    if opened.tag == "a":
        entity["url"] = opened.attributes.get("href", "")
        if not re.match(r"(https?|tg|ftp)://", entity["url"]):
            return []  # Telegram drops an invalid link and keeps its text
    if opened.tag == "blockquote" and "expandable" in opened.attributes:
        entity["type"] = "expandable_blockquote"
    if opened.tag == "tg-time":
        entity |= {"unix_time": int(opened.attributes["unix"])}
        entity |= {"date_time_format": form} if (form := opened.attributes.get("format")) else {}
    return [entity] if entity["length"] else []


def _is_time(attributes: dict[str, str]) -> bool:
    """Whether the time is of 32 bits, and the format one of #date-time-entity-formatting."""
    unix = re.fullmatch(r"\d{1,10}", attributes.get("unix", ""))
    return (
        unix is not None
        and int(unix[0]) < 2**31
        and _TIME_FORMAT.fullmatch(attributes.get("format", "")) is not None
    )


def _attributes(source: str) -> dict[str, str]:
    return {
        match[1].lower(): html.unescape((match[2] or "").strip("\"'"))
        for match in _ATTRIBUTE.finditer(source)
    }


def _refused(reason: str) -> Exception:
    return bad_request(f"can't parse entities: {reason}")
