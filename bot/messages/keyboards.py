"""Buttons and their callback data: an action and a row id, far below Telegram's 64 bytes."""

from bot.messages.translate import t
from bot.messages.view import Button
from storage.models import Watch

_AGAIN = "again:"
_CHECK = "check:"
_DIGITS = 18  # more might not fit into SQLite's integers


def send_again(watch: Watch) -> Button:
    """The button that delivers a result again."""
    return Button(label=f"🔁 {t(watch.language, 'result.send_again')}", action=f"{_AGAIN}{watch.id}")


def check_again(watch: Watch) -> Button:
    """The button that resumes polling a resting task."""
    return Button(label=f"🔄 {t(watch.language, 'stall.check_again')}", action=f"{_CHECK}{watch.id}")


def watch_to_send_again(data: str) -> int | None:
    """The watch that a pressed send_again button names; None for any other data."""
    return _number_after(_AGAIN, data)


def watch_to_check_again(data: str) -> int | None:
    """The watch that a pressed check_again button names; None for any other data."""
    return _number_after(_CHECK, data)


def _number_after(prefix: str, data: str) -> int | None:
    number = data.removeprefix(prefix)
    is_number = number != data and number.isascii() and number.isdigit() and len(number) <= _DIGITS
    return int(number) if is_number else None
