"""Parses message texts into commands and their arguments."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

# As in Telegram, a command ends at the first character that can't be part of one; a path is no command.
_COMMAND = re.compile(r"\s*/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]+))?(?![\w/@.-])")
_BLANK_LINE = re.compile(r"\n\s*\n")
_BETWEEN = re.compile(r"[\s,;]+")
_LIST_MARK = re.compile(r"(?m)^[^\S\n]*(?:\d{1,2}[.)]|[-*•·–—])[^\S\n]+(?=\S)")
# Commas, colons and full stops of Chinese and Japanese; before NFKC, which makes ASCII of some.
_SEPARATORS = dict.fromkeys(map(ord, "，；、：。｡﹐﹑﹔﹕︐︑︒︓︔"), " ")
_HYPHENS = dict.fromkeys(map(ord, "‐‑−"), "-")
# Quotes and brackets around an id; none of them can be part of one.
_QUOTES = "`'\"<>()[]{}|“”‘’‚„«»‹›「」『』《》〈〉【】〔〕"
_STOP = re.compile(r"(?<=[^.…])[.:!?]$")
_CUT_OFF = re.compile(r"(?<=[^.…])(?:\.{2,}|…)$")
_ELLIPSIS = "…"
# Invisible marks that are not of Unicode's category Cf: variation selectors, joiners and fillers.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_DIGIT = re.compile("[0-9]")
# Footers that programs and phones append; n8n's is "This message was sent automatically with n8n".
_FOOTER = re.compile(r"(?i)(this message was )?sent (automatically )?(with|from|via|by|using) .{1,80}")
_LONGEST_WORD = 600  # characters; an id has at most 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedCommand:
    """A command of a message, with the text that follows it up to the next one."""

    name: str  # lower-case
    arguments: tuple[str, ...] = ()  # without duplicates, quotes and closing punctuation
    text: str = field(default="", compare=False)  # all that follows the name, as plain_text() returns it
    left_out: tuple[str, ...] = ()  # paragraphs that are neither ids nor a footer


def typed_commands(text: str, *, bot_name: str, is_addressed: bool) -> tuple[TypedCommand, ...]:
    """The commands for this bot; a command begins at the beginning of a line.

    is_addressed: whether the message may begin with other text, as in a private chat; otherwise a message
    that does not begin with a command has none.
    """
    lines = plain_text(text).strip().split("\n")
    found = [(number, match) for number, line in enumerate(lines) if (match := _COMMAND.match(line))]
    if not found or (not is_addressed and found[0][0] != 0):
        return ()
    ends = [number for number, _ in found[1:]] + [len(lines)]
    return tuple(
        _typed(match[1].lower(), "\n".join([lines[number][match.end() :], *lines[number + 1 : end]]))
        for (number, match), end in zip(found, ends, strict=True)
        if match[2] is None or match[2].lower() == bot_name.lower()
    )


def plain_text(text: str) -> str:
    """Without format characters, with full-width letters and digits as ASCII, and \\n as line break."""
    if text.isascii():
        return "\n".join(text.splitlines())
    text = _INVISIBLE.sub("", text.translate(_SEPARATORS).translate(_HYPHENS))
    kept = (char for char in text if unicodedata.category(char) != "Cf")
    # An ellipsis is kept: NFKC turns it into three full stops, which could be part of an id.
    text = "".join(char if char == _ELLIPSIS else unicodedata.normalize("NFKC", char) for char in kept)
    return "\n".join(text.splitlines())


def _typed(name: str, rest: str) -> TypedCommand:
    """Arguments are the first paragraph, and each further one in which every word contains a digit."""
    first, *further = _BLANK_LINE.split(_LIST_MARK.sub("", rest.strip()))
    found, left_out = list(_split_words(first)), []
    for paragraph in further:
        words = list(_split_words(paragraph))
        if all(map(_DIGIT.search, words)):
            found += words
        elif not _FOOTER.fullmatch(shown := " ".join(paragraph.split())):
            left_out.append(shown)
    return TypedCommand(name=name, arguments=tuple(dict.fromkeys(found)), text=rest, left_out=tuple(left_out))


def _split_words(paragraph: str) -> Iterator[str]:
    for word in _BETWEEN.split(paragraph):
        if bare := _strip(word):
            yield bare


def _strip(word: str) -> str:
    """Without surrounding quotes and brackets and without closing punctuation."""
    if len(word) > _LONGEST_WORD:  # no id; each round of the loop reads the whole word
        return word
    while (shorter := _STOP.sub("", word.strip(_QUOTES))) != word:
        word = shorter
    return _CUT_OFF.sub(_ELLIPSIS, word)  # the ellipsis makes a truncated id invalid
