"""Reads the fields of untyped JSON: dotted paths, and converters that return None for unusable values."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import TypeVar

Json = Mapping[str, object]
T = TypeVar("T")

BEIJING = timezone(timedelta(hours=8))
_MOST_BRANCHES = 50  # elements of a list or object that a `*` matches
_LONGEST_NUMBER = 40  # characters of a number sent as text
_LONGEST_TIME = 64
_SANE_YEARS = range(2015, 2100)
_MILLISECONDS_FROM = 1e11  # a bigger figure as seconds would lie beyond the year 5000
_MICROSECONDS_FROM = 1e14
_NANOSECONDS_FROM = 1e17
_UTC = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_ZONE_NAME = re.compile(r"\s*([+-]\d\d:?\d\d)\s+[A-Z]{2,5}$")  # "+0800 CST", as Go prints times
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:s|secs?|seconds?|秒)\s*", re.IGNORECASE)
_PERCENT = re.compile(r"\s*(\d+)(?:[.,](\d+))?\s*(?:%|％|percent)\s*", re.IGNORECASE)
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*")
_SIZE = re.compile(r"\s*(\d{1,5})\s*[x*×]\s*(\d{1,5})\s*", re.IGNORECASE)
_MOST_PIXELS = 16_384  # along one side
_VIDEO_S = (0.1, 86_400.0)  # the shortest and the longest accepted
_LONGEST_QUEUE = 1_000_000


def find(value: object, path: str) -> Iterator[object]:
    """All values at a dotted path; `*` matches each element of a list or object."""
    found = [value]
    for step in path.split("."):
        found = [inner for outer in found for inner in _step(outer, step)][:_MOST_BRANCHES]
    return iter(found)


def _step(outer: object, step: str) -> list[object]:
    if isinstance(outer, dict):
        if step == "*":
            return list(outer.values())[:_MOST_BRANCHES]
        return [outer[step]] if step in outer else []
    if isinstance(outer, list) and step == "*":
        return outer[:_MOST_BRANCHES]
    return []


def first(value: object, paths: tuple[str, ...], read: Callable[[object], T | None]) -> T | None:
    """The first value at these paths that read converts."""
    for path in paths:
        for found in find(value, path):
            if (got := read(found)) is not None:
                return got
    return None


def as_text(value: object) -> str | None:
    """A text that is not blank, stripped."""
    return value.strip() or None if isinstance(value, str) else None


def as_code(value: object) -> str | None:
    """An error code: a text or a whole number; 0 means that there is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:_LONGEST_NUMBER] if value else None
    return as_text(value)


def as_number(value: object) -> float | None:
    """A finite number, sent as a number or as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        return None
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_length(value: object) -> float | None:
    """The length of a video in seconds, from 5, "5" or "5s"."""
    number = as_number(value)
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and (match := _LENGTH.fullmatch(value)):
        number = float(match[1])
    return number if number is not None and _VIDEO_S[0] <= number <= _VIDEO_S[1] else None


def as_percent(value: object) -> float | None:
    """Progress as 0 to 100, from 37, "37%", "37/100" or a fraction between 0 and 1."""
    text = value if isinstance(value, str) and len(value) <= _LONGEST_NUMBER else ""
    if match := _PERCENT.fullmatch(text):
        return _clamped(float(f"{match[1]}.{match[2] or 0}"))
    if match := _PART.fullmatch(text):
        whole = float(match[2])
        return _clamped(float(match[1]) / whole * 100) if whole else None
    number = as_number(value)
    return None if number is None else _clamped(number * 100 if 0 < number < 1 else number)


def as_fraction(value: object) -> float | None:
    """Progress as 0 to 100, from a fraction of 0 to 1."""
    number = as_number(value)
    return None if number is None else _clamped(number * 100 if number <= 1 else number)


def _clamped(percent: float) -> float:
    return min(max(percent, 0.0), 100.0)


def as_position(value: object) -> int | None:
    """A queue position: the number of tasks before this one."""
    number = as_number(value)
    return int(number) if number is not None and 0 <= number <= _LONGEST_QUEUE else None


def as_time(zone: tzinfo) -> Callable[[object], datetime | None]:
    """A converter of times: seconds, milliseconds or microseconds since 1970 (0: none), or ISO text.

    zone: of a text without one.
    """

    def read(value: object) -> datetime | None:
        number = as_number(value)
        try:
            moment = _from_epoch(number) if number is not None else _from_iso(value, zone)
        except (ValueError, TypeError, IndexError, OverflowError, OSError):
            return None
        return moment if moment is not None and moment.year in _SANE_YEARS else None

    return read


def _from_epoch(number: float) -> datetime | None:
    if number <= 0:
        return None
    if number >= _NANOSECONDS_FROM:
        number /= 1e9
    elif number >= _MICROSECONDS_FROM:
        number /= 1e6
    elif number >= _MILLISECONDS_FROM:
        number /= 1e3
    return datetime.fromtimestamp(number, UTC)


def _from_iso(value: object, zone: tzinfo) -> datetime | None:
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    text = _ZONE_NAME.sub(r"\1", _UTC.sub("+00:00", value.strip()))
    try:
        moment = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        moment = parsedate_to_datetime(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def as_side(value: object) -> int | None:
    """One side of a picture in pixels, from 720, "720" or "720p"."""
    number = as_number(value[:-1] if isinstance(value, str) and value[-1:] in {"p", "P"} else value)
    return int(number) if number is not None and 1 <= number <= _MOST_PIXELS else None


def as_size(value: object) -> tuple[int, int] | None:
    """Width and height from "1280x720" or "1280*720"."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    width, height = as_side(match[1]), as_side(match[2])
    return (width, height) if width and height else None
