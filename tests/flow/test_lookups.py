"""An id that several providers may know: polled once at each by the polling loop, asked for in the chat."""

from datetime import timedelta

import pytest

from bot.messages.views.lookup import lookup as lookup_view
from bot.polling.scheduler import SYNC_S
from storage.models import DeliveryKind, TaskStatus
from storage.store import Store
from tests.fakes.clock import FrozenClock
from tests.fakes.places import ANNA
from tests.fakes.provider import Response
from tests.fakes.requests import lookup_request
from tests.fakes.store import BrittleStore
from tests.flow.delivery_harness import DeliveryHarness
from tests.flow.polling_harness import PollingHarness, Processes, gateway, key
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, snapshot

CHAT = 100
RUNNING, NOT_FOUND = TaskStatus.RUNNING, TaskStatus.NOT_FOUND
HOUR_S = 3600.0
LONG_S = 120.0  # after which every task that is polled at all is polled again


async def watched(store: Store) -> list[str]:
    return [str(each.task.ref) for each in await store.active_watches(CHAT)]


@pytest.mark.parametrize("other", [MISSING, AWAY, BAD_KEY, snapshot(NOT_FOUND)])
async def test_each_candidate_is_polled_once_and_the_known_one_is_followed(
    store: BrittleStore, clock: FrozenClock, other: Response
):
    wan, sora = gateway(t1=[other]), gateway("sora", t1=[snapshot(RUNNING)])
    work = PollingHarness(store, [key(wan), key(sora)], clock=clock)

    async with work.running():
        await store.look_up(lookup_request(), at=clock())
        await work.notify()
        assert await work.to_send() == [DeliveryKind.CARD]
        assert work.news.is_set()
        await work.advance_in_steps(LONG_S, step_s=SYNC_S)

    assert await watched(store) == ["sora t1"]
    assert wan.polled == ["t1"]
    assert len(sora.polled) > 1


async def test_candidates_that_nobody_knows_are_left_alone_and_asked_for(
    store: BrittleStore, clock: FrozenClock
):
    wan, sora = gateway(t1=[MISSING]), gateway("sora", t1=[AWAY])
    work = PollingHarness(store, [key(wan), key(sora)], clock=clock)

    async with work.running():
        await store.look_up(lookup_request(), at=clock())
        await work.notify()
        await work.advance_in_steps(LONG_S, step_s=SYNC_S)

    assert (wan.polled, sora.polled) == (["t1"], ["t1"])
    assert await work.to_send() == [DeliveryKind.LOOKUP]


async def test_a_candidate_that_is_watched_while_it_is_polled_is_followed(
    store: BrittleStore, clock: FrozenClock
):
    wan, sora = gateway(t1=[MISSING, snapshot(RUNNING)]), gateway("sora", t1=[MISSING])
    wan.gate.clear()
    work = PollingHarness(store, [key(wan), key(sora)], clock=clock)

    async with work.running():
        await store.look_up(lookup_request(), at=clock())
        await work.notify()
        (asked,) = await store.claim_deliveries(9, at=clock() + timedelta(seconds=10), lease_s=60)
        assert asked.delivery.kind is DeliveryKind.LOOKUP
        assert await store.answer_lookup(1, CHAT, "wan", at=clock())
        wan.gate.set()
        await work.advance_in_steps(LONG_S, step_s=SYNC_S)
        task = await work.task()

    assert len(wan.polled) > 1
    assert task.status is RUNNING


async def test_a_crash_during_the_polls_loses_nothing(processes: Processes, clock: FrozenClock):
    store = await processes.begin()
    wan, sora = gateway(t1=[MISSING]), gateway("sora", t1=[snapshot(RUNNING)])
    await store.look_up(lookup_request(), at=clock())
    await store.claim_due({"wan": 9, "sora": 9}, at=clock(), lease_s=60)  # and then it crashed
    work = PollingHarness(store, [key(wan), key(sora)], clock=clock)

    async with work.running():
        await work.advance_in_steps(LONG_S, step_s=SYNC_S)

    assert await watched(store) == ["sora t1"]


async def test_a_question_is_sent_answered_and_edited(harness: DeliveryHarness):
    await harness.store.look_up(lookup_request(chat_id=ANNA), at=harness.clock())
    await harness.idle()
    assert harness.bot_messages() == []
    await harness.advance(10)
    await harness.idle()

    (question,) = harness.bot_messages()
    assert question.plain_text == "Which provider is this from? t1"
    assert [button["text"] for button in question.buttons] == ["wan", "sora"]
    assert await harness.store.answer_lookup(1, ANNA, "wan", at=harness.clock())
    await harness.advance(1)
    await harness.idle()
    assert [each.plain_text for each in harness.bot_messages()][:1] == ["t1 is from wan."]
    assert harness.bot_messages()[0].buttons == []


@pytest.mark.parametrize("crashes", [False, True])
async def test_a_question_ends_by_itself_also_after_a_crash(harness: DeliveryHarness, crashes: bool):
    await harness.store.look_up(lookup_request(chat_id=ANNA), at=harness.clock())
    await harness.advance(10)
    await harness.idle()
    if crashes:
        await harness.crash()
    await harness.advance(HOUR_S)
    await harness.idle()

    (question,) = harness.bot_messages()
    asked = await harness.store.lookup(1, ANNA)
    assert asked is not None
    assert question.plain_text == "Nobody chose a provider, so I'm not watching t1."
    assert (question.buttons, lookup_view(asked).buttons) == ([], ())
    assert await harness.store.active_watches(ANNA) == []
