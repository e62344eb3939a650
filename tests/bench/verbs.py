"""What the store's operations cost, in a database of a given number of watched tasks."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from storage.models import (
    DeliveryState,
    EventKind,
    Media,
    Snapshot,
    StoredFile,
    Task,
    TaskEvent,
    TaskRef,
    TaskStatus,
)
from storage.outbox import Settlement
from storage.store import Store
from storage.watches import WatchRequest

_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
_BATCH = 500  # tasks leased and renewed at a time, as polling does
_SLOTS = 32  # deliveries claimed at a time, as delivery does at most
_PROVIDERS = ("wan", "veo")
_LEASE_S = 120.0
VERBS = (
    "add_watch",
    "claim_deliveries",  # of _SLOTS
    "settle a card",
    "claim_due",  # of _BATCH for each provider
    "renew_tasks",  # of _BATCH
    "apply news",
    "apply the end",
    "settle a result",
)


@dataclass(slots=True)
class VerbCost:
    """An operation's cost in all its calls."""

    calls: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0  # of this process, not of the database's server

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure one call."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += time.perf_counter() - wall_s
        self.calls += 1


async def measure_verbs(store: Store, *, tasks: int, applied: int) -> Mapping[str, VerbCost]:
    """Take tasks of an empty store through their lives; applied: how many of them get news and end."""
    costs = {verb: VerbCost() for verb in VERBS}
    for number in range(tasks):
        with costs["add_watch"].measured():
            await store.add_watch(_request(number), at=_AT)
    await _send(store, costs, "settle a card", deliveries=tasks)
    leased: list[Task] = []
    while True:
        quota = dict.fromkeys(_PROVIDERS, _BATCH)
        with costs["claim_due"].measured():
            found = await store.claim_due(quota, at=_AT, lease_s=_LEASE_S)
        leased += found
        if not found:
            break
    leased.sort(key=lambda task: task.id)
    for start in range(0, len(leased), _BATCH):
        with costs["renew_tasks"].measured():
            await store.renew_tasks(leased[start : start + _BATCH], at=_AT, lease_s=_LEASE_S)
    running = [
        _polled(task, TaskStatus.RUNNING) for task in sorted(leased, key=lambda task: task.id)[:applied]
    ]
    for task in running:
        event = TaskEvent(kind=EventKind.STATUS, before=TaskStatus.UNKNOWN, after=task.status, at=_AT)
        with costs["apply news"].measured():
            await store.apply(task, [event])
    await _send(store, costs, "settle a card", deliveries=applied)
    for task in running:
        ended = _polled(replace(task, version=task.version + 1), TaskStatus.SUCCEEDED)
        event = TaskEvent(kind=EventKind.FINISHED, before=task.status, after=ended.status, at=_AT)
        with costs["apply the end"].measured():
            await store.apply(ended, [event])
    await _send(store, costs, "settle a result", deliveries=applied)
    return costs


def _request(number: int) -> WatchRequest:
    chat_id = 1_000_000 + number
    return WatchRequest(
        ref=TaskRef(provider=_PROVIDERS[number % len(_PROVIDERS)], external_id=f"task_{number:032d}"),
        chat_id=chat_id,
        thread_id=None,
        message_id=1,
        user_id=chat_id,
        language="en",
    )


def _polled(task: Task, status: TaskStatus) -> Task:
    """The task as a poll found it."""
    media = Media(url="https://cdn.example/a.mp4") if status is TaskStatus.SUCCEEDED else None
    return replace(
        task,
        status=status,
        snapshot=Snapshot(status=status, raw_status=status.upper(), media=media),
        snapshot_at=_AT,
        last_poll_at=_AT,
        next_poll_at=_AT + timedelta(seconds=10),
    )


async def _send(store: Store, costs: Mapping[str, VerbCost], settle: str, *, deliveries: int) -> None:
    """Claim deliveries and settle each as sent; settle: the name of what that costs."""
    is_result = settle == "settle a result"
    sent = 0
    while sent < deliveries:
        with costs["claim_deliveries"].measured():
            claimed = await store.claim_deliveries(_SLOTS, at=_AT, lease_s=_LEASE_S)
        for out in claimed:
            settlement = Settlement(
                state=DeliveryState.SENT,
                at=_AT,
                message_id=2,
                card_digest=None if is_result else "digest",
                file=StoredFile(file_id="f", is_video=True) if is_result else None,
            )
            with costs[settle].measured():
                await store.settle(out.delivery.id, settlement)
        sent += len(claimed)
        if not claimed:
            break
