"""The content of a message, independent of Telegram's types."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button under a message; exactly one of action, url and copy is set."""

    label: str
    action: str | None = None  # callback data, at most 64 bytes
    url: str | None = None
    copy: str | None = None  # text to put on the clipboard, at most 256 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The estimated remaining time of a task, in seconds, from the durations of past tasks."""

    low_s: float
    middle_s: float
    high_s: float


OVERDUE: Literal["overdue"] = "overdue"  # instead of a forecast: the task takes longer than usual


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A message or caption: escaped HTML within Telegram's limits, and rows of buttons."""

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
