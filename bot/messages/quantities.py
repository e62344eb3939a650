"""Formats durations, sizes and times."""

from datetime import UTC, datetime

from bot.messages.translate import t

_UNITS_S = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_SIZE_UNITS = ("B", "kB", "MB", "GB")
_SIZE_BOUNDS = (1_000, 999_500, 999_950_000)  # lower bounds of kB, MB, GB; rounding never yields "1000 kB"


def duration(language: str, seconds: float) -> str:
    """A duration in its two largest units, such as "1 min 20 s"; a negative one counts as zero."""
    rest = max(0, int(seconds))
    largest = next((index for index, (_, unit_s) in enumerate(_UNITS_S) if rest >= unit_s), len(_UNITS_S) - 1)
    parts: list[str] = []
    for unit, unit_s in _UNITS_S[largest : largest + 2]:
        number, rest = divmod(rest, unit_s)
        if number or not parts:
            parts.append(t(language, f"duration.{unit}", number=number))
    return " ".join(parts)


def size(count: int) -> str:
    """A number of bytes in decimal units, such as "2.1 MB"."""
    exponent = sum(count >= bound for bound in _SIZE_BOUNDS)
    digits = 1 if exponent > 1 else 0
    return f"{count / 1000**exponent:.{digits}f} {_SIZE_UNITS[exponent]}"


def moment(at: datetime) -> str:
    """A point in time to the minute, such as "2025-10-12 19:02 UTC"."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
