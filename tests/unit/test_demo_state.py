"""What the bot has in its database, for the page of the demo."""

import json
from pathlib import Path

import pytest

from bot.demo_state import read_state
from storage.factory import open_store
from tests.fakes.clock import FrozenClock
from tests.fakes.requests import watch_request

_KNOWN = {"m": [4, 6, 20], "n": list[int]()}


async def test_tasks_and_waiting_deliveries_are_read_while_the_bot_uses_the_database(
    tmp_path: Path, clock: FrozenClock
) -> None:
    store = await open_store(tmp_path / "bot.db")
    await store.add_watch(watch_request("5", chat_id=7), at=clock())

    state = read_state(tmp_path / "bot.db")

    await store.close()
    now = clock().timestamp()
    assert state["tasks"] == [
        {"provider": "wan", "externalId": "5", "status": "unknown", "cause": None, "nextPollAt": now}
    ]
    assert state["deliveries"] == [{"kind": "card", "chat": 7, "createdAt": now}]
    assert state["learned"] == []


async def test_learned_durations_are_summed_up(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "bot.db")
    histories = [{"provider": "wan", "model": model, "durations_s": known} for model, known in _KNOWN.items()]
    await store.save_estimates(json.dumps(histories))

    state = read_state(tmp_path / "bot.db")

    await store.close()
    assert state["learned"] == [{"provider": "wan", "model": "m", "typicalS": 6, "count": 3}]


def test_no_database_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"bot\.db"):
        read_state(tmp_path / "bot.db")
