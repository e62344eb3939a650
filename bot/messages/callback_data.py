"""Callback data: what a button stands for, as at most 64 bytes of text.

Each action is a frozen dataclass with its own prefix. Its data is prefix and version, then the fields in
their order: "again1|42". Fields are int, bool, str or StrEnum, each also `| None`, which is written as
nothing. A changed or reordered field needs a new version: buttons under old messages stay in the chats, and
must not be taken for newer ones. Anybody can send callback data, so parse() trusts nothing.

https://core.telegram.org/bots/api#inlinekeyboardbutton
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import NoneType
from typing import ClassVar, Self, get_args, get_type_hints

from storage.watches import Ending

LIMIT = 64  # bytes of callback data
_SEPARATOR = "|"
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # more digits might not fit into SQLite's integers

FieldValue = int | bool | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackData:
    """The base of all actions; a subclass is a frozen dataclass that sets PREFIX."""

    PREFIX: ClassVar[str]
    VERSION: ClassVar[int] = 1

    def pack(self) -> str:
        """The callback data; raises ValueError if it would be too long or could not be parsed back."""
        parts = [_written(getattr(self, field.name)) for field in fields(self)]
        data = _SEPARATOR.join([f"{self.PREFIX}{self.VERSION}", *parts])
        if self.parse(data) != self:
            raise ValueError(f"Not valid as callback data of {LIMIT} bytes: {self!r}")
        return data

    @classmethod
    def parse(cls, data: str) -> Self | None:
        """The action; None for another type or version, and for any other text that pack() never returns."""
        head, *parts = data.split(_SEPARATOR)
        if head != f"{cls.PREFIX}{cls.VERSION}":
            return None
        types = _field_types(cls)
        try:
            if len(data.encode()) > LIMIT or len(parts) != len(types):
                return None
            values = {name: _read(part, types[name]) for name, part in zip(types, parts, strict=True)}
        except ValueError:
            return None
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAgain(CallbackData):
    """Deliver a result that Telegram did not confirm again."""

    PREFIX: ClassVar[str] = "again"
    watch_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckNow(CallbackData):
    """Poll the task of a watch now, and resume polling if it had stopped."""

    PREFIX: ClassVar[str] = "check"
    watch_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(CallbackData):
    """Stop a watch, from its card."""

    PREFIX: ClassVar[str] = "stop"
    watch_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalFile(CallbackData):
    """Send the file of a video that was delivered as a video."""

    PREFIX: ClassVar[str] = "file"
    watch_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Details(CallbackData):
    """Show what is known about a task under its video, or the caption again."""

    PREFIX: ClassVar[str] = "info"
    watch_id: int
    is_shown: bool


class ListedStatus(StrEnum):
    """The statuses by which /tasks can be filtered."""

    QUEUED = "q"  # not started, as far as known
    RUNNING = "r"

    @property
    def task_status(self) -> str:
        """The TaskStatus whose text names it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksPage(CallbackData):
    """Show a page of /tasks."""

    PREFIX: ClassVar[str] = "tasks"
    page: int  # from 0
    status: ListedStatus | None = None
    provider: str | None = None  # its name, at most 32 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class StopListed(CallbackData):
    """Stop a watch, from the page of /tasks that lists it."""

    PREFIX: ClassVar[str] = "del"
    watch_id: int
    page: int
    status: ListedStatus | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage(CallbackData):
    """Show a page of /history; ending and provider: only those, None: all."""

    PREFIX: ClassVar[str] = "hist"
    page: int = 0  # from 0
    ending: Ending | None = None
    provider: str | None = None  # its name, at most 32 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCopy(CallbackData):
    """Send a video again that the chat has."""

    PREFIX: ClassVar[str] = "copy"
    watch_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest(CallbackData):
    """Allow or refuse a chat that asks for access."""

    PREFIX: ClassVar[str] = "access"
    request_id: int
    is_allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatsPage(CallbackData):
    """Show a page of /chats."""

    PREFIX: ClassVar[str] = "chats"
    page: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccess(CallbackData):
    """Allow or remove a chat in /chats."""

    PREFIX: ClassVar[str] = "chat"
    chat_id: int
    is_allowed: bool
    page: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseProvider(CallbackData):
    """Watch the ids of a lookup with the provider at this index of those to choose from."""

    PREFIX: ClassVar[str] = "from"
    lookup_id: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseSetting(CallbackData):
    """Choose a value for one of the chat's settings."""

    PREFIX: ClassVar[str] = "set"
    setting: str  # the field of ChatSettings
    value: str  # as str() writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBatch(CallbackData):
    """Stop all watches of a batch."""

    PREFIX: ClassVar[str] = "stopall"
    batch_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBatchAgain(CallbackData):
    """Deliver the results of a batch again that did not arrive."""

    PREFIX: ClassVar[str] = "againall"
    batch_id: int


def _field_types(action: type[CallbackData]) -> Mapping[str, tuple[type, bool]]:
    """The type of each field, and whether it may be None."""
    hints = get_type_hints(action)
    return {field.name: _type_of(hints[field.name]) for field in fields(action)}


def _type_of(hint: type) -> tuple[type, bool]:
    named = [each for each in get_args(hint) or (hint,) if each is not NoneType]
    if len(named) != 1 or not issubclass(named[0], int | str):
        raise TypeError(f"Callback data can't have a field of type {hint}.")
    return named[0], NoneType in get_args(hint)


def _written(value: FieldValue) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _read(part: str, expected: tuple[type, bool]) -> FieldValue:
    """Raises ValueError for anything that _written() does not return."""
    kind, is_optional = expected
    if not part and is_optional:
        return None
    if issubclass(kind, StrEnum):
        return kind(part)
    if kind is str:
        return part
    if not _NUMBER.fullmatch(part) or (kind is bool and part not in {"0", "1"}):
        raise ValueError("not a number")
    return bool(int(part)) if kind is bool else int(part)
