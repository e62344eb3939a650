"""Finds out whether an unknown name is a mistyped setting or belongs to another program."""

import re
from collections.abc import Collection, Sequence

_GROUP = "PROVIDERS"
_PROGRAM = "REELWATCH_"  # a prefix that people add, as many programs have one
_SHORT = 10  # letters; a shorter name may have one typing mistake, another _MISTAKES
_TINY = 2  # letters; such a name may have none
_MISTAKES = 2
_FAR = 9  # a distance that is never close
_WORD = 3  # letters of the shortest word that is compared
# First words that other programs' names have as well.
_COMMON = {"LOG", "DATA", "DATABASE", "LANGUAGE", "MAX", "KEEP", "REST", "HEALTH"}
# Settings of the Bot API server, which often reads the same .env.
_OF_OTHERS = {"TELEGRAM_LOCAL", "TELEGRAM_API_ID", "TELEGRAM_API_HASH"}
_OTHER_WORDS = (
    (re.compile(r"ADMINS?_(ID|LIST|USER|CHAT)\w*"), "ADMINS"),
    (re.compile(r"ALLOW(ED)?_(ID|USER|GROUP|CHAT)\w*"), "ALLOWED_CHATS"),
)


def meant(name: str, known: Collection[str], fields: Sequence[str]) -> str | None:
    """The setting that a name in capitals was meant to be; None if it is right or another program's.

    fields: the settings of a provider's group.
    """
    if name in known or name.startswith(f"{_GROUP}__") or name in _OF_OTHERS:
        return None
    own = name.removeprefix(_PROGRAM)
    if own != name:
        return own if own in known or own.startswith(f"{_GROUP}__") else None
    return _meant_group(name, fields) or _nearest(name, known)


def meant_field(field: str, fields: Sequence[str]) -> str | None:
    """What a provider's setting was meant to be, such as API_KEY for KEY."""
    found = [
        known
        for known in fields
        if _distance(_bare(field), _bare(known)) <= 1
        or (_bare(known).endswith(_bare(field)) and len(field) >= _WORD)
    ]
    return found[0] if field and found else None


def _meant_group(name: str, fields: Sequence[str]) -> str | None:
    first, _, rest = name.partition("__")
    if rest and _distance(first, _GROUP) <= _MISTAKES:
        return f"{_GROUP}__{rest}"
    ends = "|".join([*fields, "KEY", "URL", "RPS"])
    if group := re.fullmatch(rf"PROVIDERS?_([A-Z0-9]\w*?)_+({ends})", name):
        return f"{_GROUP}__{group[1]}__{meant_field(group[2], fields)}"
    return None


def _nearest(name: str, known: Collection[str]) -> str | None:
    """The known setting at the least distance, if one is close enough or shares the name's words."""
    for pattern, right in _OTHER_WORDS:
        if right in known and pattern.fullmatch(name):
            return right
    candidates: list[tuple[int, str]] = []
    for right in known:
        letters = len(_bare(right))
        most = 0 if letters <= _TINY else 1 if letters < _SHORT else _MISTAKES
        distance = _distance(_bare(name), _bare(right))
        if distance <= most or _shares_words(name.split("_"), right.split("_")):
            candidates.append((distance, right))
    return min(candidates, default=(0, None))[1]


def _shares_words(words: Sequence[str], right: Sequence[str]) -> bool:
    """Whether one is the other with words left out, from the same first word on."""
    if right[0] in _COMMON or not _is_word(words[0], right[0]):
        return False
    few, many = sorted((words, right), key=len)
    rest = iter(many)
    return len(few) > 1 and all(any(_is_word(word, other) for other in rest) for word in few)


def _is_word(one: str, other: str) -> bool:
    return one == other or (min(len(one), len(other)) > _WORD and _distance(one, other) <= 1)


def _bare(name: str) -> str:
    return re.sub("[^A-Z0-9]", "", name)


def _distance(one: str, other: str) -> int:
    """Letters to add, leave out, replace or swap with the next; _FAR for what differs much in length."""
    if abs(len(one) - len(other)) > _MISTAKES:
        return _FAR
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]
