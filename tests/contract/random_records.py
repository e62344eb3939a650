"""Records with random values in every field of every table, which refer to each other."""

import random
import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

from storage.access import AccessQuestion, AccessState, Greeting
from storage.chat_settings import ResultForm, Sound
from storage.lookups import LookupState
from storage.models import (
    DeliveryKind,
    DeliveryState,
    EventKind,
    PollFailure,
    Snapshot,
    Stall,
    StoredFile,
    TaskStatus,
)
from storage.outbox import AdminReport
from storage.records import TABLES, Field, Record, Shape, Table
from storage.watches import WatchState

_ROWS = 4
_TEXTS = ("", "a", "片子 🎬", "two\nlines\r\n", 'quotes " and \\', "\0", "\u2028", "x" * 5000, "' OR 1=1 --")
_HALF_A_PAIR = "cut off \ud83d"  # gateways do this to prompts
_INTEGERS = (0, 1, -1, 42, 2**31, -(2**53), 2**62, -(2**62))
_PARENTS = {"task_id": "tasks", "watch_id": "watches", "batch_id": "batches", "lookup_id": "lookups"}
_WORDS: dict[tuple[str, str], type[StrEnum]] = {
    ("chat_settings", "sound"): Sound,
    ("chat_settings", "result_form"): ResultForm,
    ("access_requests", "state"): AccessState,
    ("tasks", "status"): TaskStatus,
    ("tasks", "stall"): Stall,
    ("events", "kind"): EventKind,
    ("events", "status_before"): TaskStatus,
    ("events", "status_after"): TaskStatus,
    ("watches", "state"): WatchState,
    ("watches", "result"): DeliveryState,
    ("watches", "reported_status"): TaskStatus,
    ("lookups", "state"): LookupState,
    ("deliveries", "kind"): DeliveryKind,
    ("deliveries", "state"): DeliveryState,
}
_PARTS: dict[str, Any] = {
    "snapshot": Snapshot,
    "poll_failure": PollFailure,
    "file": StoredFile,
    "document": StoredFile,
    "providers": list[str],
}
_CONTENTS = {
    DeliveryKind.REPORT: AdminReport,
    DeliveryKind.QUESTION: AccessQuestion,
    DeliveryKind.GREETING: Greeting,
}


class RandomRecords:
    """Records of all tables, reproducible by their seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._ids: dict[str, list[int]] = {}

    def all(self) -> list[tuple[Table, Record]]:
        """The records in the order of TABLES."""
        return [(table, self._record(table, number)) for table in TABLES for number in self._numbers(table)]

    def _numbers(self, table: Table) -> list[int]:
        numbers = [1] if table.name == "estimates" else sorted(self._dice.sample(range(1, 10**12), _ROWS))
        self._ids[table.name] = numbers
        return numbers

    def _record(self, table: Table, number: int) -> Record:
        record = {field.name: self._value(table, field) for field in table.fields}
        for name in ("id", "chat_id", "user_id", "via", "message_id"):  # unique alone or with others
            if name in record and (
                name in table.key or table.name in {"access_requests", "allowed_chats", "lookups"}
            ):
                record[name] = number
        if table.name == "tasks":
            record["external_id"] += str(number)
        if table.name == "lookup_candidates":
            at = self._ids[table.name].index(number)
            record |= {"lookup_id": self._ids["lookups"][at], "task_id": self._ids["tasks"][at]}
        if table.name == "watches":
            record["chat_id"] = number
        if table.name == "deliveries":
            self._complete(record, number)
        return record

    def _complete(self, record: Record, number: int) -> None:
        kind = DeliveryKind(record["kind"])
        content = self._of(_CONTENTS[kind]) if kind in _CONTENTS else None
        record |= {"subject": str(number), "content": content}
        for name in ("watch_id", "batch_id", "lookup_id"):
            record[name] = self._dice.choice(self._ids[_PARENTS[name]])

    def _value(self, table: Table, field: Field) -> Any:
        if field.is_optional and self._dice.random() < 0.3:
            return None
        if field.name in _PARENTS and field.name not in table.key:
            return self._dice.choice(self._ids[_PARENTS[field.name]])
        if (table.name, field.name) in _WORDS:
            return str(self._dice.choice(list(_WORDS[table.name, field.name])))
        makers: dict[Shape, Callable[[], Any]] = {
            Shape.INTEGER: lambda: self._dice.choice([each for each in _INTEGERS if field.check(each)]),
            Shape.TEXT: lambda: self._dice.choice(_TEXTS),
            Shape.TIME: self._time,
            Shape.FLAG: lambda: self._dice.random() < 0.5,
            Shape.RANK: lambda: self._dice.choice(["video", "failure", "notice", "refresh"]),
            Shape.PART: lambda: self._of(_PARTS.get(field.name, Greeting)),
        }
        return makers[field.shape]()

    def _time(self) -> str:
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._dice.randrange(10**15))
        return moment.replace(microsecond=self._dice.choice([0, moment.microsecond])).isoformat()

    def _of(self, hint: Any) -> Any:
        """A JSON value of a type."""
        if get_origin(hint) is types.UnionType:
            return self._of(self._dice.choice(get_args(hint)))
        if get_origin(hint) in {tuple, list}:
            return [self._of(get_args(hint)[0]) for _ in range(self._dice.randrange(3))]
        if is_dataclass(hint):
            hints = get_type_hints(hint)
            return {each.name: self._of(hints[each.name]) for each in fields(hint)}
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            return str(self._dice.choice(list(hint)))
        plain: dict[Any, Callable[[], Any]] = {
            types.NoneType: lambda: None,
            datetime: self._time,
            bool: lambda: self._dice.random() < 0.5,
            int: lambda: self._dice.choice(_INTEGERS),
            float: lambda: self._dice.choice([0.0, 1.5, 1e-9, 100, 1 / 3]),
            str: lambda: self._dice.choice([*_TEXTS, _HALF_A_PAIR]),
        }
        return plain[hint]()


def elsewhere(time: str) -> str:
    """The same time with the offset of another zone."""
    return datetime.fromisoformat(time).astimezone(timezone(timedelta(hours=8))).isoformat()
