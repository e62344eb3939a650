"""Formats durations, sizes and times."""

from datetime import datetime, timedelta

from bot.messages.translate import t

_UNITS_S = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_SIZE_UNITS = ("B", "kB", "MB", "GB")
_SIZE_BOUNDS = (1_000, 999_500, 999_950_000)  # lower bounds of kB, MB, GB; rounding never yields "1000 kB"
_LAST_UNIX = 2**31 - 1  # Telegram's times have 32 bits


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
    """A point in time, as HTML that Telegram shows in the reader's zone and format.

    Where it can't, its text counts: to the minute, in the zone of TZ, such as "2025-10-13 03:02 UTC+8".
    https://core.telegram.org/bots/api#date-time-entity-formatting
    """
    local = at.astimezone()
    text = f"{local:%Y-%m-%d %H:%M} {zone(local)}"
    unix = int(at.timestamp())
    return f'<tg-time unix="{unix}" format="dt">{text}</tg-time>' if unix <= _LAST_UNIX else text


def zone(local: datetime) -> str:
    """The offset of a local time, such as "UTC+8"."""
    minutes = (local.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}" if minutes else "UTC"
