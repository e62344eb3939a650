"""Finds task ids in whatever people paste: JSON, curl lines, addresses, logs, tables, prose.

1. Keys and tokens are cut out first, so that none is taken for an id.
2. An id that a terminal wrapped over two lines is joined, if only the whole has the length of a known one.
3. The body of a response is read as JSON: the outermost id is the task's, ids inside are the vendor's own.
4. Addresses and paths: the path tells the wire format. A file's address is no task.
5. Words after a label: `task_id=…`, `Task ID: …`, `任务号：…`.
6. Words with the shape of some format's ids.
7. Words after `id`, and last of all after `request_id`, if nothing else was found.

A word before an ellipsis is a part of an id: it is counted, and not returned.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from bot.providers.parsing.ids import valid_id

UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_MOST_READ = 100_000  # characters; a message on Telegram has at most 4,096
_MOST_FOUND = 1_000
_MOST_JSON = 20  # JSON values that are parsed in one text
_LONGEST_CUT_OFF = 64
_ID = r"[A-Za-z0-9][A-Za-z0-9._:=+-]{3,511}"
_QUOTE = r"[\"'`“”‘’「『《<(\[*\\]{0,4}"
_IS = rf"[\"'`*\\]{{0,3}}\s{{0,4}}(?:[:：=|]|=>|->|→|is\b|为|是|\s)\s{{0,4}}{_QUOTE}"
_ELLIPSIS = re.compile(r"\s?(?:…|\.{2,}|\*{3,})")
_URL = re.compile(r"https?:/{2}([^\s/?#\"'<>|\\]{1,300})([^\s\"'<>|\\，。；）」】`]{0,4000})", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w./:-])/[\w.~%:+={}<>$/-]{5,600}(?:\?[^\s\"'<>]{0,600})?")
_ANY_TASK_PATH = re.compile(
    r"/(?:tasks?|videos?|generations?|fetch|jobs?|predictions?|operations?|requests?|query|status|result"
    r"|[a-z-]{1,20}2video)/(?!(?:tasks?|videos?|generations?|query|status|result|[a-z-]{1,20}2video)\b)([^/?#&]+)",
    re.IGNORECASE,
)
_QUERY_ID = re.compile(r"[?&](?:(?:task|video|job|generation)[_-]?)?id=([^&#]+)", re.IGNORECASE)
_FILE = re.compile(
    r"\.(?:mp4|mov|webm|mkv|m4v|avi|gif|png|jpe?g|webp|mp3|wav|json|txt|csv|zip|html?|log|py|js|ts|sh|md)$",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"(?<![A-Za-z0-9_-])(?:(?:[a-z]{2,12}[ _-])?task[ _-]?id|(?:video|generation|job|prediction|operation)[ _-]?id"
    rf"|(?:任务|任務|作业)\s?(?:id|编号|編號|号|號|状态)?|编号){_IS}({_ID})",
    re.IGNORECASE,
)
_PLAIN_ID = re.compile(rf"(?<![A-Za-z0-9_-])(?:id|data){_IS}({_ID})", re.IGNORECASE)
_REQUEST_ID = re.compile(rf"(?<![A-Za-z0-9_-])request[ _-]?id{_IS}({_ID})", re.IGNORECASE)
_OTHER_ID = re.compile(
    r"(?<![A-Za-z0-9])(?:request|user|chat|channel|trace|span|log|group|order|client|app|session|account|org"
    rf"|project|file|image|event|message|msg)[ _-]?id{_IS}{_ID}",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?<![A-Za-z0-9@_./-])[A-Za-z0-9][A-Za-z0-9._:=+-]{7,511}(?![A-Za-z0-9_@])")
_PLACEHOLDER = re.compile(r"(?i)x{4}|your|example|placeholder|^(?:task|video|job)?[_-]?id$|(.)\1{7}")
_WRAPPED = re.compile(r"([A-Za-z0-9._:=+-]{4,512})[ \t\\]*\n[ \t]*([A-Za-z0-9._:=+-]{2,512})")
# The forms whose length is known; a part of one can be told from the whole.
_WHOLE = re.compile(
    rf"{UUID}|task_(?:[A-Za-z0-9]{{32}}|[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{{25}})|cgt-\d{{14}}-[a-z0-9]{{5}}"
    rf"|video_(?:[0-9a-f]{{32}}|{UUID})"
)
_PART = re.compile(r"(?:task_|video_|cgt-|[0-9a-f]{8}-)[\w-]*", re.IGNORECASE)
_DECODER = json.JSONDecoder(strict=False)
_JSON_IDS = ("task_id", "taskId", "video_id", "videoId", "generation_id", "job_id", "id")
_JSON_INSIDE = ("output", "data", "task", "result", "response", "video", "job", "detail", "payload")
_SECRETS = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|SK)-[\w.*-]{7,}[\w*-]"
    r"|(?i:\b(?:bearer|basic)\s{1,8})(?=[^\s'\",\d]{0,64}\d)[\w.~+/=-]{8,}"
    r"|(?i:(?<![a-z])(?:api|access|secret|private|auth|x-api)[_-]?(?:key|token|secret)[\"']?\s{0,3}[:=]\s{0,3}[\"']?)"
    r"(?=[^\s\d]{0,64}\d)[\w.~+/=-]{12,}"
    r"|(?<=[?&])(?i:access|token|access_token|key|api_?key|auth)=[\w.~%+/=-]{12,}"
    r"|(?<!\d)\d{5,}:[A-Za-z0-9_-]{30,}"
    r"|(?<![A-Za-z0-9])eyJ[\w-]{8,}\.[\w.-]+"
    r"|(?<![A-Za-z0-9])(?:gh[pousr]_|gsk_|xai-|r8_|hf_|AIza)[\w-]{16,}"
)


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
    has_secret: bool = False  # a key or token was in the text


@dataclass(frozen=True, slots=True, kw_only=True)
class IdFormat:
    """What the ids and addresses of a wire format look like."""

    kind: str
    shape: re.Pattern[str]  # of a whole id
    path: re.Pattern[str]  # of a task's address; group 1 is the id


def find_ids(text: str, formats: Sequence[IdFormat]) -> FoundIds:
    """Find the ids in a text; linear in its length, of which the first 100,000 characters are read."""
    return _Search(text[:_MOST_READ], formats).run()


class _Search:
    """One search; every step takes what it has understood out of the text."""

    def __init__(self, text: str, formats: Sequence[IdFormat]) -> None:
        self._formats = formats
        self._text = text
        self._found: dict[str, tuple[int, FoundId]] = {}  # with the position in the text
        self._cut_off: set[str] = set()

    def run(self) -> FoundIds:
        text = _SECRETS.sub(_blank, self._text)
        has_secret = text != self._text
        self._text = _WRAPPED.sub(_joined, text)
        self._read_json()
        self._text = self._text.replace("\\/", "/").replace('\\"', '"')
        self._take_out(_URL, self._read_url)
        self._take_out(_PATH, lambda match: self._read_path(match[0], match.start(), match.end()))
        self._take_out(_LABELLED, self._read_label)
        self._take_out(_OTHER_ID, lambda _: bool(self._found))
        for match in _WORD.finditer(self._text):
            self._read_word(match)
        for pattern, kinds in ((_PLAIN_ID, ()), (_REQUEST_ID, ("videos",))):
            if not self._found and not self._cut_off:
                for match in pattern.finditer(self._text):
                    self._add(match[1], match.start(1), match.end(1), kinds=kinds)
        in_order = sorted(self._found.values(), key=lambda found: found[0])
        return FoundIds(
            ids=tuple(found for _, found in in_order), cut_off=len(self._cut_off), has_secret=has_secret
        )

    def _take_out(self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], bool]) -> None:
        """Replace each match by blanks if `read` has understood it, so that positions stay."""
        self._text = pattern.sub(lambda match: _blank(match) if read(match) else match[0], self._text)

    def _read_json(self) -> None:
        """Read each JSON object; one without an id is left to the other steps."""
        start = self._text.find("{")
        for _ in range(_MOST_JSON):
            if start < 0:
                return
            value, end = _json_at(self._text, start)
            if isinstance(value, dict) and self._read_object(value, start):
                self._text = self._text[:start] + " " * (end - start) + self._text[end:]
            start = self._text.find("{", max(end, start + 1))

    def _read_object(self, body: Mapping[str, object], at: int) -> bool:
        """Take the outermost ids of a response's body; return whether there is any."""
        if body.keys() == {"request_id"}:
            return self._add(body["request_id"], at, kinds=("videos",))
        named = [body[key] for key in _JSON_IDS if key in body]
        if any([self._add(value, at) for value in named[:1]]):
            return True
        found = False
        for key in _JSON_INSIDE:
            inner = body.get(key)
            for each in inner[:_MOST_FOUND] if isinstance(inner, list) else [inner]:
                if isinstance(each, dict):
                    found |= self._read_object(each, at)
                elif isinstance(each, str) and key == "data":
                    found |= bool(self._kinds_of(each)) and self._add(each, at)
        return found

    def _read_url(self, match: re.Match[str]) -> bool:
        """Take the id of a task's address; every address is taken out, whatever it is."""
        host = match[1].rpartition("@")[2].lower()
        self._read_path(f"//{host}{match[2]}", match.start(), match.end(), host=host)
        return True

    def _read_path(self, path: str, start: int, end: int, *, host: str | None = None) -> bool:
        for each in self._formats:
            if found := each.path.search(path):
                is_last = found.end(1) == len(path)
                self._add(unquote(found[1]), start, end if is_last else None, kinds=(each.kind,), host=host)
                return True
        if found := _ANY_TASK_PATH.search(path) or _QUERY_ID.search(path):
            word, is_last = unquote(found[1]), found.end(1) == len(path)
            return bool(self._kinds_of(_stripped(word))) and self._add(
                word, start, end if is_last else None, host=host
            )
        return False

    def _read_label(self, match: re.Match[str]) -> bool:
        return self._add(match[1], match.start(1), match.end(1))

    def _read_word(self, match: re.Match[str]) -> None:
        word = match[0]
        if _is_cut_off(self._text, word, match.end()):
            if _PART.match(word):
                self._cut_off.add(word)
        elif (kinds := self._kinds_of(_stripped(word))) and not word.isdigit():
            self._add(word, match.start(), kinds=kinds)

    def _kinds_of(self, word: str) -> tuple[str, ...]:
        return tuple(each.kind for each in self._formats if each.shape.fullmatch(word))

    def _add(
        self,
        value: object,
        start: int,
        end: int | None = None,
        *,
        kinds: tuple[str, ...] = (),
        host: str | None = None,
    ) -> bool:
        """Add an id if it is one; end: where an ellipsis may follow. Return whether the value was understood."""
        raw = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if end is not None and _is_cut_off(self._text, raw, end):
            self._cut_off.add(raw[:_LONGEST_CUT_OFF])
            return True
        word = _stripped(raw)
        if not _may_be_id(word):
            return False
        kinds = kinds or self._kinds_of(word)
        at, known = self._found.get(word, (start, FoundId(external_id=word, kinds=kinds, host=host)))
        if kinds and (not known.kinds or len(kinds) < len(known.kinds)):
            known = replace(known, kinds=kinds)
        if len(self._found) < _MOST_FOUND or word in self._found:
            self._found[word] = (min(at, start), replace(known, host=known.host or host))
        return True


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _joined(match: re.Match[str]) -> str:
    """Join two lines if only together they end in a whole id."""
    whole = match[1] + match[2]
    for known in _WHOLE.finditer(whole):
        if known.start() < len(match[1]) < known.end() and not _WHOLE.search(match[1]):
            return whole
    return match[0]


def _stripped(word: str) -> str:
    return word.rstrip(".:=+-_/,;)]}>\"'")


def _is_cut_off(text: str, word: str, end: int) -> bool:
    return word.endswith(("..", "…")) or _ELLIPSIS.match(text, end) is not None


def _may_be_id(word: str) -> bool:
    """Whether a word is neither a placeholder, a file, a short number nor a plain word."""
    if len(word) < 6 or not valid_id(word) or _PLACEHOLDER.search(word) or _FILE.search(word):
        return False
    if word.isdigit():
        return len(word) >= 12
    return any(char.isdigit() for char in word) or _WHOLE.fullmatch(word) is not None


def _json_at(text: str, start: int) -> tuple[object, int]:
    """The JSON value at a position and its end; (None, start) if there is none."""
    try:
        return _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start
