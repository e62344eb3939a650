"""Converts rows to models; Snapshot, PollFailure and others are stored as JSON with ISO times."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from storage.access import AccessQuestion, ChatProfile, Greeting
from storage.models import (
    Cause,
    Chat,
    DeliveryKind,
    DeliveryState,
    Media,
    PollFailure,
    Snapshot,
    Stall,
    StoredFile,
    Task,
    TaskError,
    TaskRef,
    TaskStatus,
)
from storage.outbox import AdminReport, ChatAddress, Delivery
from storage.sql.transaction import Row
from storage.watches import Batch, Watch, WatchState


def time(stored: datetime | float) -> datetime:
    """A stored time, for which SQLite has unix seconds."""
    return stored if isinstance(stored, datetime) else datetime.fromtimestamp(stored, UTC)


def moment(stored: datetime | float | None) -> datetime | None:
    """A stored time, or None."""
    # Not by time(): a row has up to six, and claiming reads hundreds of rows.
    return stored if stored is None or isinstance(stored, datetime) else datetime.fromtimestamp(stored, UTC)


def later(at: datetime, seconds: float) -> datetime:
    """So many seconds after a time, at most the last time there is."""
    try:
        return at + timedelta(seconds=seconds)
    except OverflowError:
        return _LAST


def to_json(
    part: Snapshot | PollFailure | StoredFile | AdminReport | AccessQuestion | Greeting | None,
) -> str | None:
    """A part of a task, or the content of a delivery, as stored."""
    # ASCII only: gateways truncate prompts inside a surrogate pair, which cannot be encoded as UTF-8.
    return None if part is None else json.dumps(asdict(part), default=datetime.isoformat)


PERMANENT = [status for status in TaskStatus if status.is_permanent]
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


def task(row: Row) -> Task:
    """Convert a row of tasks."""
    return Task(
        id=row["id"],
        ref=TaskRef(provider=row["provider"], external_id=row["external_id"]),
        status=TaskStatus(row["status"]),
        registered_at=time(row["registered_at"]),
        snapshot=_snapshot(row["snapshot"]),
        snapshot_at=moment(row["snapshot_at"]),
        poll_failure=_poll_failure(row["poll_failure"]),
        last_poll_at=moment(row["last_poll_at"]),
        next_poll_at=moment(row["next_poll_at"]),
        lease_until=moment(row["lease_until"]),
        failures=row["failures"],
        version=row["version"],
        stall=Stall(row["stall"]),
        unchanged_since=moment(row["unchanged_since"]),
        file=_file(row["file"]),
        document=_file(row["document"]),
    )


def watch(row: Row, chat_language: str | None) -> Watch:
    """Convert a row of watches; chat_language: what its chat has chosen in /settings, None: nothing."""
    return Watch(
        id=row["id"],
        task_id=row["task_id"],
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        request_message_id=row["request_message_id"],
        user_id=row["user_id"],
        language=chat_language or row["language"],
        created_at=time(row["created_at"]),
        state=WatchState(row["state"]),
        card_message_id=row["card_message_id"],
        card_digest=row["card_digest"],
        result=None if row["result"] is None else DeliveryState(row["result"]),
        stopped_by=row["stopped_by"],
        batch_id=row["batch_id"],
        user_name=row["user_name"],
        ended_at=moment(row["ended_at"]),
    )


def batch(row: Row) -> Batch:
    """Convert a row of batches."""
    return Batch(
        id=row["id"],
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        request_message_id=row["request_message_id"],
        user_id=row["user_id"],
        language=row["language"],
        created_at=time(row["created_at"]),
        card_message_id=row["card_message_id"],
        card_digest=row["card_digest"],
    )


def delivery(row: Row) -> Delivery:
    """Convert a row of deliveries."""
    return Delivery(
        id=row["id"],
        address=ChatAddress(chat_id=row["chat_id"], thread_id=row["thread_id"]),
        kind=DeliveryKind(row["kind"]),
        attempts=row["attempts"],
        message_id=row["message_id"],
        unconfirmed_call_at=moment(row["unconfirmed_call_at"]),
        reply_to=row["reply_to"],
    )


def report(stored: str) -> AdminReport:
    """Convert the content of a REPORT."""
    data = json.loads(stored)
    return AdminReport(**data | {"names": tuple(data["names"])})


def question(stored: str) -> AccessQuestion:
    """Convert the content of a QUESTION."""
    data = json.loads(stored)
    return AccessQuestion(**data | {"chat": ChatProfile(**data["chat"])})


def greeting(stored: str) -> Greeting:
    """Convert the content of a GREETING."""
    return Greeting(**json.loads(stored))


def chat(row: Row) -> Chat:
    """Convert a row of chats."""
    return Chat(
        id=row["id"],
        title=row["title"],
        language=row["language"],
        disabled_reason=row["disabled_reason"],
    )


def _snapshot(stored: str | None) -> Snapshot | None:
    if stored is None:
        return None
    data = json.loads(stored)
    media, error = data["media"], data["error"]
    return Snapshot(
        **data
        | {
            "status": TaskStatus(data["status"]),
            "media": media and Media(**media | {"expires_at": _iso(media["expires_at"])}),
            "error": error and TaskError(**error | {"cause": Cause(error["cause"])}),
            "submitted_at": _iso(data["submitted_at"]),
            "started_at": _iso(data["started_at"]),
            "finished_at": _iso(data["finished_at"]),
        }
    )


def _poll_failure(stored: str | None) -> PollFailure | None:
    if stored is None:
        return None
    data = json.loads(stored)
    since = datetime.fromisoformat(data["since"])
    return PollFailure(cause=Cause(data["cause"]), message=data["message"], since=since)


def _iso(data: str | None) -> datetime | None:
    return None if data is None else datetime.fromisoformat(data)


def _file(stored: str | None) -> StoredFile | None:
    return None if stored is None else StoredFile(**json.loads(stored))
