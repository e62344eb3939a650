"""Finds task ids in whatever people paste: responses, commands, code, addresses, logs, tables, prose.

1. Keys and tokens are cut out, Markdown's marks around words are removed, and an id that a terminal wrapped
   over two lines is joined if only the whole has the length of a known one.
2. Bodies of responses are read as JSON: body_ids.py.
3. Addresses and paths: the path tells the wire format. The address of a file is no task.
4. Words after a label: `task_id=…`, `Task ID: …`, `任务号：…`.
5. Words with the shape of some format's ids, unless another label, such as `user_id`, precedes them.
6. If nothing was found, the word after `id` or, last of all, after `request_id`.

Each step removes from the text what it has read. A word with an ellipsis is a part of an id: it is counted,
and not returned.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from bot.providers.parsing.body_ids import SHORTEST_ID, bodies, ids_in, kind_of_body, request_id_of
from bot.providers.parsing.ids import UUID, valid_id
from bot.providers.parsing.pasted_keys import cut_keys

_MOST_READ = 100_000  # characters; a message on Telegram has at most 4,096
_MOST_FOUND = 1_000
_ID = r"[A-Za-z0-9][A-Za-z0-9._:=+-]{3,511}+"
_WHOLE_ID = rf"({_ID})(?![A-Za-z0-9._:=+-])"  # not the beginning of a longer word
_QUOTE = r"[\"'`“”‘’「『《<(\[*\\]{0,4}"
_SIGN = rf"[\"'`*\\]{{0,3}}\s{{0,4}}(?:[:=|]|=>|->|→|is\b|为|是)\s{{0,4}}{_QUOTE}"
_SIGN_OR_BLANK = rf"(?:{_SIGN}|\s{{1,4}}{_QUOTE})"
_MARKED = re.compile(r"(?<![A-Za-z0-9_*~|])(\*{1,3}|_{1,3}|~~|\|\|)([A-Za-z0-9]\S{6,520}?)\1(?![A-Za-z0-9])")
_WRAPPED = re.compile(
    r"(?<![A-Za-z0-9._:=+-])([A-Za-z0-9._:=+-]{4,512})[ \t\\]{0,9}\n[ \t>|]{0,9}([A-Za-z0-9._:=+-]{2,512})"
)
_WRAPPED_URL = re.compile(r"(/[A-Za-z0-9._:=+-]{4,512})[ \t\\]{0,9}\n[ \t>|]{0,9}([A-Za-z0-9._:=+-]{2,512})")
_URL = re.compile(r"https?:/{2}([^\s/?#\"'<>|\\]{1,300})([^\s\"'<>|\\`，。；）」】]{0,4000})", re.IGNORECASE)
_BARE_URL = re.compile(
    r"(?<![\w@./:-])((?:(?:[\w-]{1,63}\.){1,5}[\w-]{2,63}|localhost)(?::\d{1,5})?)(/[^\s\"'<>|\\`]{1,4000})"
)
_PATH = re.compile(r"(?<![\w./:-])/[\w.~%:+={}<>$/-]{5,600}(?:\?[^\s\"'<>]{0,600})?")
_STEP = (
    r"(?:tasks?|videos?|generations?|fetch|jobs?|predictions?|operations?|requests?|query|status|result"
    r"|[a-z-]{1,20}2video)"
)
_ANY_TASK_PATH = re.compile(rf"/{_STEP}/(?!{_STEP}(?:[/?#]|$))([^/?#&]+)", re.IGNORECASE)
_QUERY_ID = re.compile(r"[?&](?:(?:task|video|job|generation)[_-]?)?id=([^&#]+)", re.IGNORECASE)
_FILE = re.compile(
    r"\.(?:mp4|mov|webm|mkv|m4v|avi|gif|png|jpe?g|webp|mp3|wav|json|txt|csv|zip|html?|log|py|js|ts|sh|md)$",
    re.IGNORECASE,
)
_TASK_LABEL = re.compile(
    r"(?<![A-Za-z0-9_-])(?:(?:[a-z]{2,12}[ _-])?task[ _-]?id"
    r"|(?:video|generation|job|prediction|operation)[ _-]?id"
    rf"|(?:任务|任務|作业)\s?(?:id|编号|編號|号|號)){_SIGN_OR_BLANK}{_WHOLE_ID}",
    re.IGNORECASE,
)
_OTHER_LABEL = re.compile(
    r"(?<![A-Za-z0-9])(?:request|user|chat|channel|trace|span|log|group|order|client|app|session|account|org"
    r"|project|file|image|event|message|msg|correlation|workflow|execution|run|node|prompt|device|parent)"
    rf"[ _-]?id{_SIGN_OR_BLANK}{_ID}",
    re.IGNORECASE,
)
_ID_LABEL = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:(?:id|data|(?<!\w)编号){_SIGN}|(?:任务|任務)(?:{_SIGN}|\s{{1,4}}(?=\d{{12}}))){_WHOLE_ID}",
    re.IGNORECASE,
)
_REQUEST_LABEL = re.compile(rf"(?<![A-Za-z0-9_-])request[ _-]?id{_SIGN}({UUID})(?![\w-])", re.IGNORECASE)
_WORD = re.compile(
    r"(?:(?<![A-Za-z0-9@_./\\-])|(?<=\.\.))[A-Za-z0-9][A-Za-z0-9._:=+-]{7,511}(?![A-Za-z0-9_@/\\])"
)
_ELLIPSIS = re.compile(r"\s?(?:…|\.{2,}|\*{3,})")
_HAS_ELLIPSIS = re.compile(r"\.{2,}|…|\*{3,}")
_ID_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=+-]*…?")  # prose may touch the end of an address
_CLOSING = ".…:=+-_/,;)]}>\"'"
_NO_ID = re.compile(
    r"(?i)x{4}|your|example|placeholder|(.)\1{7}|^(?:(?:task|video|job)?[_-]?id|[a-z-]+2video)$"
    r"|^(?:chatcmpl|resp|msg|run|thread|asst|file|call)[-_]"  # OpenAI's other objects
    r"|^v?\d{1,4}(?:[-.:]\d{1,3}){1,4}(?:[T.:+].{0,40})?$"  # dates, times, versions and IP addresses
)
# The forms whose length is known; a part of one can be told from the whole.
_WHOLE = re.compile(
    rf"{UUID}|task_(?:[A-Za-z0-9]{{32}}|[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{{25}})|cgt-\d{{14}}-[a-z0-9]{{5}}"
    rf"|video_(?:[0-9a-f]{{32}}|{UUID})"
)
_SURELY_WHOLE = re.compile(rf"(?:video_)?{UUID}|task_[A-Za-z0-9]{{32}}")
_PART = re.compile(r"(?:task_|video_|cgt-|[0-9a-f]{8}-)[\w-]*", re.IGNORECASE)
_SHORTEST_NUMBER = 12  # digits; row numbers and phone numbers are shorter
_SHORTEST_LOOSE = 16  # characters of a word that follows only `id`, and has no known shape


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundId:
    """A task id, and what its surroundings say of it."""

    external_id: str
    kinds: tuple[str, ...] = ()  # the wire formats that may know it; empty: any
    host: str | None = None  # of the address that it was found in, with the port, lower-case


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundIds:
    """The ids in a text, in its order and without duplicates."""

    ids: tuple[FoundId, ...] = ()
    cut_off: int = 0  # words that are only parts of ids
    has_key: bool = False  # an API key or token was in the text


@dataclass(frozen=True, slots=True, kw_only=True)
class IdFormat:
    """What the ids, addresses and bodies of a wire format look like."""

    kind: str
    shape: re.Pattern[str]  # of a whole id
    path: re.Pattern[str]  # of a task's address; group 1 is the id
    body_marks: tuple[str, ...] = ()  # paths of fields that no other format has
    has_request_ids: bool = False  # a task is named by its request_id


def find_ids(text: str, formats: Sequence[IdFormat]) -> FoundIds:
    """Find the ids in a text; linear in its length, of which the first 100,000 characters are read."""
    text, has_key = cut_keys(text[:_MOST_READ])
    text = _MARKED.sub(r"\2", text)
    for pattern in (_WRAPPED, _WRAPPED_URL):
        text = pattern.sub(_join, text)
    search = _Search(text, formats)
    search.run()
    in_order = sorted(search.found.values(), key=lambda found: found[0])
    return FoundIds(ids=tuple(found for _, found in in_order), cut_off=len(search.cut_off), has_key=has_key)


class _Search:
    """One search: the text that is left to read, and what was found."""

    def __init__(self, text: str, formats: Sequence[IdFormat]) -> None:
        self.found: dict[str, tuple[int, FoundId]] = {}  # by the id, with its position
        self.cut_off: set[str] = set()
        self._text = text
        self._formats = formats
        self._request_kinds = tuple(each.kind for each in formats if each.has_request_ids)
        self._paths: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
            *((each.path, (each.kind,)) for each in formats),
            (_ANY_TASK_PATH, ()),
            (_QUERY_ID, ()),
        )

    def run(self) -> None:
        """All steps, in their order."""
        self._read_bodies()
        for escaped, plain in (("\\/", "/"), ('\\"', '"'), ("\\n", "\n"), ("\\t", " ")):
            self._text = self._text.replace(escaped, plain)
        self._read_each(_URL, self._read_url)
        self._read_each(_BARE_URL, self._read_url)
        self._read_each(_PATH, lambda match: self._read_path(match, match[0]))
        self._read_each(_TASK_LABEL, lambda match: self._add(match.start(), match[1], match.end(1)))
        requests = list(_REQUEST_LABEL.finditer(self._text))
        self._read_each(_OTHER_LABEL, lambda _: True)
        for match in _WORD.finditer(self._text):
            self._read_word(match)
        if not self.found and not self.cut_off:
            for match in _ID_LABEL.finditer(self._text):
                is_cut_off = self._is_cut_off(match[1], match.end(1)) and any(map(str.isdigit, match[1]))
                if is_cut_off or len(match[1]) >= _SHORTEST_LOOSE or self._kinds_of(_trim(match[1])):
                    self._add(match.start(), match[1], match.end(1))
        if not self.found and not self.cut_off:
            for match in requests:
                self._add(match.start(), match[1], kinds=self._request_kinds)

    def _read_each(self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], bool]) -> None:
        """Replace each match that `read` understands by blanks, so that positions stay."""
        self._text = pattern.sub(lambda match: " " * len(match[0]) if read(match) else match[0], self._text)

    def _read_bodies(self) -> None:
        marks = {each.kind: each.body_marks for each in self._formats}
        for body, start, end in bodies(self._text):
            kind = kind_of_body(body, marks)
            added = [self._add(start, value, kinds=(kind,) if kind else ()) for value in ids_in(body)]
            if (request_id := request_id_of(body)) is not None:
                added.append(self._add(start, request_id, kinds=self._request_kinds))
            if any(added):
                self._text = self._text[:start] + " " * (end - start) + self._text[end:]

    def _read_url(self, match: re.Match[str]) -> bool:
        """Take the id of a task's address; every address is removed, whatever it is."""
        host = match[1].rpartition("@")[2].lower()
        self._read_path(match, f"//{host}{match[2]}", host=host)
        return True

    def _read_path(self, match: re.Match[str], path: str, *, host: str | None = None) -> bool:
        if _FILE.search(re.split("[?#]", path, maxsplit=1)[0].rstrip(_CLOSING)):
            return True
        for pattern, kinds in self._paths:
            if not (found := pattern.search(path)):
                continue
            word = _ID_PART.match(unquote(found[1]))
            end = match.end() if found.end(1) == len(path) else None
            is_id = word is not None and (kinds or self._kinds_of(_trim(word[0])))
            if word and is_id and self._add(match.start(), word[0], end, kinds=kinds, host=host):
                return True
        return False

    def _read_word(self, match: re.Match[str]) -> None:
        word = match[0]
        if self._is_cut_off(word, match.end()):
            if _PART.match(word):
                self.cut_off.add(word)
            return
        word = word if self._kinds_of(word) else _trim(word)
        if self._kinds_of(word) and not word.isdigit():
            self._add(match.start(), word)

    def _is_cut_off(self, word: str, end: int | None) -> bool:
        """Whether a word has an ellipsis in it or, if it is not whole, behind it."""
        bare = _trim(word)
        if _HAS_ELLIPSIS.search(bare):
            return True
        has_ellipsis = bare != word and _HAS_ELLIPSIS.search(word)
        is_followed = has_ellipsis or (end is not None and _ELLIPSIS.match(self._text, end))
        return bool(is_followed) and _SURELY_WHOLE.fullmatch(bare) is None

    def _kinds_of(self, word: str) -> tuple[str, ...]:
        return tuple(each.kind for each in self._formats if each.shape.fullmatch(word))

    def _add(
        self,
        start: int,
        value: object,
        end: int | None = None,
        *,
        kinds: tuple[str, ...] = (),
        host: str | None = None,
    ) -> bool:
        """Add an id found at start; end: where an ellipsis may follow it. False: the value is none."""
        word = str(value)
        if self._is_cut_off(word, end):
            self.cut_off.add(word[:_SHORTEST_LOOSE])
            return True
        word = word if self._kinds_of(word) else _trim(word)
        if not _may_be_id(word):
            return False
        kinds = kinds or self._kinds_of(word)
        position, known = self.found.get(word, (start, FoundId(external_id=word, kinds=kinds, host=host)))
        if kinds and (not known.kinds or len(kinds) < len(known.kinds)):
            known = replace(known, kinds=kinds)
        if len(self.found) < _MOST_FOUND or word in self.found:
            self.found[word] = (min(position, start), replace(known, host=known.host or host))
        return True


def _join(match: re.Match[str]) -> str:
    """Join two lines if only together they end in a whole id."""
    whole = match[1] + match[2]
    for known in _WHOLE.finditer(whole):
        if known.start() < len(match[1]) < known.end() and not _WHOLE.search(match[1]):
            return whole
    return match[0]


def _trim(word: str) -> str:
    return word.rstrip(_CLOSING)


def _may_be_id(word: str) -> bool:
    """Whether a word is neither a placeholder, a file, a date, a short number nor a plain word."""
    if len(word) < SHORTEST_ID or not valid_id(word) or _NO_ID.search(word) or _FILE.search(word):
        return False
    if word.isdigit():
        return len(word) >= _SHORTEST_NUMBER
    return any(char.isdigit() for char in word) or _WHOLE.fullmatch(word) is not None
