from datetime import timedelta

import pytest

from bot.messages.callback_data import ChooseProvider
from storage.models import DeliveryState
from storage.outbox import LookupDelivery, Settlement
from storage.watches import WatchLimits
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, BORIS, EVE, GROUP, NOW, ChatHarness, ChatHarnesses, named

UUID = "b7d0f3a2-55c1-4e0e-9d7a-0f3c2b1a9e88"
CHAT = updates.group(GROUP, ANN, "")["chat"]


async def ask(harness: ChatHarness) -> int:
    """Ann sends an id that two providers may know, and is asked; returns the lookup's id."""
    assert await harness.receive(updates.group(GROUP, ANN, f"/watch {UUID}")) == []
    later = NOW + timedelta(seconds=10)
    (out,) = await harness.store.claim_deliveries(9, at=later, lease_s=60)
    assert isinstance(out, LookupDelivery)
    await harness.store.settle(out.delivery.id, Settlement(state=DeliveryState.SENT, at=later, message_id=8))
    return out.lookup.id


async def press(harness: ChatHarness, lookup_id: int, index: int, *, user_id: int = ANN) -> str:
    data = ChooseProvider(lookup_id=lookup_id, index=index).pack()
    await harness.receive(updates.press(CHAT, user_id, data), kind="callback_query")
    return str(harness.request.callback_answers[-1].get("text", ""))


@pytest.fixture
async def harness(harnesses: ChatHarnesses) -> ChatHarness:
    return await harnesses.make(named("wan", "alibailian"), named("sora", "videos"))


async def watched(harness: ChatHarness) -> list[str]:
    return [str(each.task.ref) for each in await harness.service.active(GROUP)]


@pytest.mark.parametrize("user_id", [ANN, BORIS])
async def test_who_asked_and_admins_choose_the_provider(harness: ChatHarness, user_id: int):
    lookup_id = await ask(harness)
    assert await press(harness, lookup_id, 1, user_id=user_id) == "Watching it at sora."
    assert await watched(harness) == [f"sora {UUID}"]


async def test_others_are_told_who_may_choose(harness: ChatHarness):
    lookup_id = await ask(harness)
    answer = await press(harness, lookup_id, 1, user_id=EVE)
    assert answer in {
        "Only the person who asked and this chat's admins can choose.",
        "Telegram didn't tell me whether you're an admin here. Please try again.",
    }
    assert await watched(harness) == []


async def test_a_second_choice_comes_too_late(harness: ChatHarness):
    lookup_id = await ask(harness)
    await press(harness, lookup_id, 1)
    assert await press(harness, lookup_id, 0) == "This question is closed. Send the ids again."
    assert await watched(harness) == [f"sora {UUID}"]


@pytest.mark.parametrize(("other", "index"), [(0, 7), (0, -1), (99, 0)])
async def test_a_button_that_was_never_offered_is_over(harness: ChatHarness, other: int, index: int):
    lookup_id = await ask(harness)
    assert await press(harness, lookup_id + other, index) == "This question is closed. Send the ids again."


async def test_a_limit_is_told_in_the_bubble(harnesses: ChatHarnesses):
    harness = await harnesses.make(
        named("wan", "alibailian"), named("sora", "videos"), limits=WatchLimits(per_chat=1)
    )
    lookup_id = await ask(harness)
    await harness.receive(updates.group(GROUP, ANN, "/watch wan other-1"))
    assert "limit of 1 task" in await press(harness, lookup_id, 1)
    assert await watched(harness) == ["wan other-1"]
