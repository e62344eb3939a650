"""Seeds a database with watches of running tasks, as if the bot had run for a while."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from bot.providers.gateway import build_gateway
from bot.providers.registry import ProviderConfig
from bot.providers.transport import HttpTransport
from storage.factory import open_store
from storage.models import DeliveryState, Snapshot, TaskRef
from storage.outbox import Settlement
from storage.postgres_url import PostgresUrl
from storage.store import Store
from storage.watches import WatchedTask, WatchRequest
from tests.bench.kinds import KEY, BenchTask

_HAND = 500  # cards
_PER_TASK_S = 0.003  # more than writing the first poll takes
_CARD_LIFE_S = 60.0
_NEVER = timedelta(hours=-1)


async def seed(
    database: Path | PostgresUrl, tasks: list[BenchTask], *, gateway: str, pace_s: float, cards_age: bool
) -> datetime:
    """Write the database: every task running, its card sent; return when the last is first due.

    pace_s: over which the first polls are spread. cards_age: whether cards will be refreshed.
    """
    store = await open_store(database)
    try:
        await store.leadership.acquire()
        watched = [await _register(store, task) for task in tasks]
        await _show_cards(store, cards_age=cards_age)
        seen = await _poll(tasks, gateway)
        begins = datetime.now(UTC) + timedelta(seconds=3 + _PER_TASK_S * len(tasks) if pace_s else 0)
        for number, each in enumerate(watched):
            due = begins + timedelta(seconds=pace_s * number / len(watched))
            await _note_poll(store, each, seen[each.task.ref.provider], due)
    finally:
        await store.close()
    return begins + timedelta(seconds=pace_s)


async def _register(store: Store, task: BenchTask) -> WatchedTask:
    request = WatchRequest(
        ref=TaskRef(provider=task.kind, external_id=task.task_id),
        chat_id=task.chat_id,
        thread_id=None,
        message_id=1,
        user_id=task.chat_id,
        language="en",
    )
    return await store.add_watch(request, at=datetime.now(UTC))


async def _show_cards(store: Store, *, cards_age: bool) -> None:
    now = datetime.now(UTC)
    ages_s = Random(1)
    while claimed := await store.claim_deliveries(_HAND, at=now, lease_s=600):
        for out in claimed:
            age = timedelta(seconds=ages_s.uniform(0, _CARD_LIFE_S)) if cards_age else _NEVER
            card = Settlement(state=DeliveryState.SENT, at=now - age, message_id=2, card_digest="seeded")
            await store.settle(out.delivery.id, card)


async def _poll(tasks: list[BenchTask], gateway: str) -> dict[str, Snapshot]:
    """The gateway's response for the first task of each kind; it is the same for all."""
    firsts = {task.kind: task for task in reversed(tasks)}
    configs = [ProviderConfig(name=kind, kind=kind, base_url=gateway, api_key=KEY) for kind in firsts]
    async with HttpTransport(tls=ssl.create_default_context()) as transport:
        return {
            config.name: await build_gateway(config, transport).fetch(firsts[config.name].task_id)
            for config in configs
        }


async def _note_poll(store: Store, watched: WatchedTask, snapshot: Snapshot, due: datetime) -> None:
    now = datetime.now(UTC)
    task = replace(
        watched.task,
        status=snapshot.status,
        snapshot=snapshot,
        snapshot_at=now,
        last_poll_at=now,
        next_poll_at=due,
    )
    if not await store.apply(task, ()):
        raise RuntimeError("the database was not empty")
