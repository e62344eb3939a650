"""The tables as an export holds them: which fields, of which meaning, whatever the engine stores them as.

Left out is what belongs to a running process, such as leases, and what the engine derives.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Any, Protocol

from storage.access import AccessQuestion, AccessState, Greeting
from storage.chat_settings import ResultForm, Sound
from storage.json_types import Check, check_of, is_time
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
from storage.outbox import AdminReport, DeliveryPriority
from storage.watches import WatchState

Record = dict[str, Any]  # JSON values by field
SCHEMA = 10  # the number of TABLES as they are, in every export; to be raised whenever they change
_LARGEST_COUNT = 10**9
MAX_INTEGER = 2**62  # no id is larger, so that engines with 63 bits can always give another one


class Shape(Enum):
    """How a field is written in JSON."""

    INTEGER = "integer"
    TEXT = "text"
    TIME = "time"  # with its offset from UTC
    FLAG = "flag"
    RANK = "rank"  # a word for a number
    PART = "part"  # an object or a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a record."""

    name: str
    shape: Shape
    check: Check  # of a value that is not None
    is_optional: bool = False
    ranks: type[IntEnum] | None = None  # of a RANK


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; its records are exported in the order of the key."""

    name: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    numbers_rows: bool = False  # its ids are given by the engine, each once
    check: Callable[[Record], bool] = lambda _: True  # of fields that depend on each other

    def mistake_in(self, record: Record) -> str | None:
        """What is wrong with a record, as the end of a sentence; fills in optional fields that lack."""
        for field in self.fields:
            if record.setdefault(field.name, None) is None:
                if not field.is_optional:
                    return f"lacks {field.name}"
            elif not field.check(record[field.name]):
                return f"has a value of {field.name} that is not allowed there"
        if len(record) > len(self.fields):
            return "has a field that is not known"
        return None if self.check(record) else "has a content that does not belong to its kind"


class RecordRefused(Exception):
    """A record that can't be inserted; its text is the end of a sentence."""

    def __init__(self, why: str, *, line: int) -> None:
        """line: of the file, where it stands."""
        super().__init__(why)
        self.line = line


class Dump(Protocol):
    """A database as it was at one moment, to be exported."""

    is_in_use: bool  # a bot ran on it at that moment

    def counts(self) -> dict[str, int]:
        """The number of records by table."""
        ...

    def next_ids(self) -> dict[str, int]:
        """The next id of each table that numbers its rows."""
        ...

    def records(self, table: Table, *, newest: int | None = None) -> Iterator[Record]:
        """The records of a table, or so many with the highest keys, in the order of its key.

        Raises StoreError.
        """
        ...


class Load(Protocol):
    """A new database, to be imported into."""

    def add(self, table: Table, record: Record, *, line: int) -> None:
        """Insert a record without mistakes, maybe later; line: of the file, where it stands.

        Raises RecordRefused, maybe for a record before it, and StoreError.
        """
        ...

    def finish(self, next_ids: Mapping[str, int]) -> None:
        """Insert what was not yet; give no id below these again. Raises RecordRefused, StoreError."""
        ...


def next_ids_in(head: Record) -> dict[str, int] | None:
    """The next id of each table that numbers its rows, in an export's first line; None: it lacks one."""
    found = head.get("next_ids")
    names = [table.name for table in TABLES if table.numbers_rows]
    if not isinstance(found, dict) or not all(_is_next_id(found.get(name)) for name in names):
        return None
    return {name: found[name] for name in names}


def _is_next_id(value: Any) -> bool:
    return _is_integer(value) and value > 0


def _is_integer(value: Any) -> bool:
    return type(value) is int and -MAX_INTEGER <= value <= MAX_INTEGER


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _of(shape: Shape, check: Check, names: str) -> tuple[Field, ...]:
    """Fields of one shape; a name that ends with "?" is that of an optional one."""
    return tuple(
        Field(name=name.rstrip("?"), shape=shape, check=check, is_optional=name.endswith("?"))
        for name in names.split()
    )


def _integers(names: str) -> tuple[Field, ...]:
    return _of(Shape.INTEGER, _is_integer, names)


def _counts(names: str) -> tuple[Field, ...]:
    return _of(Shape.INTEGER, lambda value: type(value) is int and 0 <= value <= _LARGEST_COUNT, names)


def _texts(names: str) -> tuple[Field, ...]:
    return _of(Shape.TEXT, _is_text, names)


def _times(names: str) -> tuple[Field, ...]:
    return _of(Shape.TIME, is_time, names)


def _flags(names: str) -> tuple[Field, ...]:
    return _of(Shape.FLAG, check_of(bool), names)


def _words(names: str, words: type[StrEnum]) -> tuple[Field, ...]:
    return _of(Shape.TEXT, check_of(words), names)


def _parts(names: str, hint: Any) -> tuple[Field, ...]:
    return _of(Shape.PART, check_of(hint), names)


_PRIORITY = Field(
    name="priority",
    shape=Shape.RANK,
    check=lambda value: isinstance(value, str) and value.upper() in DeliveryPriority.__members__,
    ranks=DeliveryPriority,
)
_CONTENTS = {
    DeliveryKind.REPORT: check_of(AdminReport),
    DeliveryKind.QUESTION: check_of(AccessQuestion),
    DeliveryKind.GREETING: check_of(Greeting),
}


def _is_whole_delivery(record: Record) -> bool:
    """Whether it has what its kind is rendered from."""
    kind = DeliveryKind(record["kind"])
    if kind in _CONTENTS:
        return _CONTENTS[kind](record["content"])
    if kind in {DeliveryKind.BATCH, DeliveryKind.LOOKUP}:
        return record[f"{kind}_id"] is not None
    return record["watch_id"] is not None


# In an order in which each refers only to records before it.
TABLES = (
    Table(
        name="chats",
        key=("id",),
        fields=_integers("id")
        + _texts("title language? disabled_reason?")
        + _times("throttled_until? written_at"),
    ),
    Table(
        name="chat_settings",
        key=("chat_id",),
        fields=(
            *_integers("chat_id"),
            *_texts("language?"),
            *_words("sound", Sound),
            *_words("result_form", ResultForm),
            *_flags("pins_batch_card"),
        ),
    ),
    Table(name="allowed_chats", key=("chat_id",), fields=_integers("chat_id via?") + _times("allowed_at")),
    Table(name="admins", key=("user_id",), fields=_integers("user_id") + _times("added_at")),
    Table(
        name="access_requests",
        key=("id",),
        numbers_rows=True,
        fields=(
            *_integers("id chat_id"),
            *_texts("chat_type title user_name? language"),
            *_words("state", AccessState),
            *_times("asked_at decided_at?"),
            *_integers("admin_id?"),
            *_texts("admin_name?"),
        ),
    ),
    Table(name="estimates", key=("id",), fields=_integers("id") + _texts("data")),
    Table(
        name="batches",
        key=("id",),
        numbers_rows=True,
        fields=(
            *_integers("id chat_id thread_id? request_message_id? user_id?"),
            *_texts("language"),
            *_times("created_at"),
            *_integers("card_message_id?"),
            *_texts("card_digest?"),
            *_times("card_sent_at?"),
        ),
    ),
    Table(
        name="tasks",
        key=("id",),
        numbers_rows=True,
        fields=(
            *_integers("id"),
            *_texts("provider external_id"),
            *_words("status", TaskStatus),
            *_times("registered_at"),
            *_parts("snapshot?", Snapshot),
            *_times("snapshot_at?"),
            *_parts("poll_failure?", PollFailure),
            *_times("last_poll_at? next_poll_at?"),
            *_counts("failures version"),
            *_words("stall", Stall),
            *_times("unchanged_since?"),
            *_parts("file? document?", StoredFile),
        ),
    ),
    Table(
        name="events",
        key=("id",),
        fields=(
            *_integers("id task_id"),
            *_words("kind", EventKind),
            *_words("status_before status_after", TaskStatus),
            *_times("at"),
        ),
    ),
    Table(
        name="watches",
        key=("id",),
        numbers_rows=True,
        fields=(
            *_integers("id task_id chat_id thread_id? request_message_id? user_id?"),
            *_texts("user_name? language"),
            *_times("created_at"),
            *_words("state", WatchState),
            *_integers("batch_id? card_message_id?"),
            *_texts("card_digest?"),
            *_times("card_sent_at? ended_at?"),
            *_words("result?", DeliveryState),
            *_words("reported_status?", TaskStatus),
            *_texts("stopped_by?"),
        ),
    ),
    Table(
        name="lookups",
        key=("id",),
        numbers_rows=True,
        fields=(
            *_integers("id chat_id thread_id? message_id? user_id?"),
            *_texts("user_name? language"),
            *_times("created_at"),
            *_words("state", LookupState),
            *_parts("providers", list[str]),
            *_texts("answer?"),
            *_integers("question_message_id?"),
        ),
    ),
    Table(
        name="lookup_candidates",
        key=("lookup_id", "task_id"),
        fields=_integers("lookup_id task_id") + _flags("knows?"),
    ),
    Table(
        name="deliveries",
        key=("id",),
        numbers_rows=True,
        check=_is_whole_delivery,
        fields=(
            *_integers("id chat_id thread_id?"),
            *_words("kind", DeliveryKind),
            *_texts("subject"),
            *_integers("watch_id? batch_id? lookup_id?"),
            *_parts("content?", dict),
            *_words("state", DeliveryState),
            _PRIORITY,
            *_flags("blocks_repeat"),
            *_times("created_at"),
            *_counts("attempts"),
            *_times("not_before?"),
            *_integers("message_id?"),
            *_times("unconfirmed_call_at? settled_at?"),
            *_integers("reply_to?"),
            *_texts("press?"),
        ),
    ),
)
