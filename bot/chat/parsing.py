"""What a person typed → the commands in it, and the words of each."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Like Telegram, which links a command up to the first character that can't be part of one; a path is none.
_COMMAND = re.compile(r"\s*/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]+))?(?![\w/@.-])")
_BLANK_LINE = re.compile(r"\n\s*\n")
_BETWEEN = re.compile(r"[\s,;]+")
_LIST_MARK = re.compile(r"(?m)^[^\S\n]*(?:\d{1,2}[.)]|[-*•·–—])[^\S\n]+(?=\S)")
# Commas, colons and full stops of Chinese and Japanese; before NFKC, which makes ASCII of some that ids hold.
_SEPARATORS = dict.fromkeys(map(ord, "，；、：。｡﹐﹑﹔﹕︐︑︒︓︔"), " ")
_HYPHENS = dict.fromkeys(map(ord, "‐‑−"), "-")
# What people and their clipboards put around an id; none of it can be part of one.
_AROUND = "`'\"<>()[]{}|“”‘’‚„«»‹›「」『』《》〈〉【】〔〕"
_STOP = re.compile(r"(?<=[^.…])[.:!?]$")
_CUT_OFF = re.compile(r"(?<=[^.…])(?:\.{2,}|…)$")
_ELLIPSIS = "…"
# Invisible marks that are not of Unicode's category Cf: variation selectors, joiners and fillers.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_DIGIT = re.compile("[0-9]")
# What programs and phones write below a message; n8n's is "This message was sent automatically with n8n".
_FOOTER = re.compile(r"(?i)(this message was )?sent (automatically )?(with|from|via|by|using) .{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedCommand:
    """A command of a message, with what stands behind it up to the next one."""

    name: str  # lower-case
    arguments: tuple[str, ...] = ()  # each once, without what stands around them
    left_out: tuple[str, ...] = ()  # paragraphs that are neither ids nor a footer


def typed_commands(text: str, *, bot_name: str, is_addressed: bool) -> tuple[TypedCommand, ...]:
    """The commands for this bot, each from the beginning of a line on.

    is_addressed: whether the message is for the bot whatever its first line is, as in a private chat;
    elsewhere one that does not begin with a command has none.
    """
    lines = _plain(text).strip().split("\n")
    found = [(number, match) for number, line in enumerate(lines) if (match := _COMMAND.match(line))]
    if not found or (not is_addressed and found[0][0] != 0):
        return ()
    ends = [number for number, _ in found[1:]] + [len(lines)]
    return tuple(
        _typed(match[1].lower(), "\n".join([lines[number][match.end() :], *lines[number + 1 : end]]))
        for (number, match), end in zip(found, ends, strict=True)
        if match[2] is None or match[2].lower() == bot_name.lower()
    )


def _plain(text: str) -> str:
    """Without format characters, with full-width letters and digits as ASCII, lines ended by \\n."""
    if text.isascii():
        return "\n".join(text.splitlines())
    text = _INVISIBLE.sub("", text.translate(_SEPARATORS).translate(_HYPHENS))
    kept = (char for char in text if unicodedata.category(char) != "Cf")
    # An ellipsis stays one: NFKC's three full stops could be part of an id.
    text = "".join(char if char == _ELLIPSIS else unicodedata.normalize("NFKC", char) for char in kept)
    return "\n".join(text.splitlines())


def _typed(name: str, behind: str) -> TypedCommand:
    """Ids stand in the first paragraph, and in each further one whose words all have a digit, as ids have."""
    first, *further = _BLANK_LINE.split(_LIST_MARK.sub("", behind.strip()))
    found, left_out = list(_words_in(first)), []
    for paragraph in further:
        words = list(_words_in(paragraph))
        if all(map(_DIGIT.search, words)):
            found += words
        elif not _FOOTER.fullmatch(shown := " ".join(paragraph.split())):
            left_out.append(shown)
    return TypedCommand(name=name, arguments=tuple(dict.fromkeys(found)), left_out=tuple(left_out))


def _words_in(paragraph: str) -> Iterator[str]:
    for word in _BETWEEN.split(paragraph):
        if bare := _bare(word):
            yield bare


def _bare(word: str) -> str:
    """Without quotes and brackets around it, nor the punctuation of the sentence that it ends."""
    while (shorter := _STOP.sub("", word.strip(_AROUND))) != word:
        word = shorter
    return _CUT_OFF.sub(_ELLIPSIS, word)  # an id that was cut off is none
