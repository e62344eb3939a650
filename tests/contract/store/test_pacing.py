"""Which deliveries are claimed while chats are throttled, and which results can be sent again."""

import pytest

from storage.models import DeliveryKind, DeliveryState, StoredFile, TaskStatus
from storage.outbox import Settlement, ThrottledChats
from tests.contract.store.driver import CHAT, LEASE_S, Driver

CARD, RESULT = DeliveryKind.CARD, DeliveryKind.RESULT


async def refresh(driver: Driver, limit: int = 9) -> int:
    return await driver.store.refresh_cards(older_than=driver.later(1), limit=limit, at=driver.now)


async def test_one_claim_returns_at_most_one_delivery_per_chat(driver: Driver):
    first = await driver.watch("a")
    driver.advance(1)
    await driver.watch("b")
    other = await driver.watch("b", chat_id=2)

    claimed = await driver.claim_round()

    assert [one.watch.id for one in claimed] == [first.watch.id, other.watch.id]


async def test_a_throttled_chat_gets_nothing(driver: Driver):
    await driver.watch()
    open_chat = await driver.watch(chat_id=2)
    closed = ThrottledChats(to_all=[CHAT])

    claimed = await driver.claim_round(throttled=closed)

    assert [one.watch.id for one in claimed] == [open_chat.watch.id]
    assert await driver.store.next_delivery_at(closed) == driver.later(LEASE_S)
    assert await driver.store.next_delivery_at() == driver.now


async def test_a_chat_throttled_for_edits_gets_everything_else(driver: Driver):
    shown = await driver.watch("shown")
    await driver.send()
    await driver.poll(shown.task.id, TaskStatus.RUNNING)
    closed = ThrottledChats(to_edits=[CHAT])
    assert await driver.claim_round(throttled=closed) == []
    assert await driver.store.next_delivery_at(closed) is None

    new = await driver.watch("new")
    assert [one.watch.id for one in await driver.claim_round(throttled=closed)] == [new.watch.id]
    await driver.poll(shown.task.id, TaskStatus.SUCCEEDED)
    assert [one.delivery.kind for one in await driver.claim_round(throttled=closed)] == [RESULT]


async def test_a_first_card_goes_before_an_older_edit(driver: Driver):
    shown = await driver.watch("shown")
    await driver.send()
    await driver.poll(shown.task.id, TaskStatus.RUNNING)
    driver.advance(1)
    new = await driver.watch("new", chat_id=2)

    assert await driver.send() == [(CARD, new.watch.id), (CARD, shown.watch.id)]


async def test_the_oldest_cards_are_refreshed_first_and_one_to_a_chat(driver: Driver):
    watched = []
    for name, chat_id in (("a", 1), ("b", 1), ("c", 2), ("d", 3)):
        watched.append(await driver.watch(name, chat_id=chat_id))
        await driver.send()
        driver.advance(1)
    oldest, next_of_chat, second, third = (one.watch.id for one in watched)

    assert await refresh(driver, limit=2) == 2
    assert await refresh(driver, limit=2) == 1
    assert await driver.send() == [(CARD, oldest), (CARD, second), (CARD, third)]

    assert await refresh(driver, limit=1) == 1
    assert await driver.send() == [(CARD, next_of_chat)]


async def test_news_goes_before_an_older_refresh(driver: Driver):
    old = await driver.watch("old")
    await driver.send()
    driver.advance(1)
    news = await driver.watch("news", chat_id=2)
    await driver.send()
    assert await refresh(driver, limit=1) == 1
    driver.advance(1)

    await driver.poll(news.task.id, TaskStatus.RUNNING)

    assert await driver.send() == [(CARD, news.watch.id), (CARD, old.watch.id)]


async def test_news_turns_a_pending_refresh_into_news(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    await refresh(driver)
    closed = ThrottledChats(to_refreshes=[CHAT])
    assert await driver.claim_round(throttled=closed) == []
    assert await driver.store.next_delivery_at(closed) is None

    await driver.poll(watched.task.id, TaskStatus.RUNNING)

    (claimed,) = await driver.claim_round(throttled=closed)
    assert claimed.task.status is TaskStatus.RUNNING


async def test_a_refresh_to_be_retried_includes_the_news(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    await refresh(driver)
    (on_its_way,) = await driver.claim()
    await driver.poll(watched.task.id, TaskStatus.RUNNING)

    await driver.settle(on_its_way, DeliveryState.PENDING, retry_s=0)

    (claimed,) = await driver.claim_round(throttled=ThrottledChats(to_refreshes=[CHAT]))
    assert claimed.task.status is TaskStatus.RUNNING


async def test_news_does_not_become_a_refresh(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    await driver.poll(watched.task.id, TaskStatus.RUNNING)

    assert await refresh(driver) == 0

    assert len(await driver.claim_round(throttled=ThrottledChats(to_refreshes=[CHAT]))) == 1


@pytest.mark.parametrize("state", [DeliveryState.UNKNOWN, DeliveryState.DEAD])
async def test_an_unconfirmed_result_is_sent_again_on_request(driver: Driver, state: DeliveryState):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(RESULT), state)
    driver.advance(LEASE_S)
    await driver.send()

    assert await driver.store.send_again(watched.watch.id, CHAT, at=driver.now)
    assert not await driver.store.send_again(watched.watch.id, CHAT, at=driver.now)

    assert await driver.send() == [(RESULT, watched.watch.id), (CARD, watched.watch.id)]
    (found,) = await driver.store.watches_of(CHAT, "t1")
    assert found.watch.result is DeliveryState.SENT


async def test_a_sent_result_or_one_of_another_chat_is_not_sent_again(driver: Driver):
    arrived = await driver.watch("arrived")
    lost = await driver.watch("lost", chat_id=2)
    await driver.poll(arrived.task.id, TaskStatus.SUCCEEDED)
    await driver.send()
    await driver.poll(lost.task.id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(RESULT), DeliveryState.UNKNOWN)

    assert not await driver.store.send_again(arrived.watch.id, CHAT, at=driver.now)
    assert not await driver.store.send_again(lost.watch.id, CHAT, at=driver.now)


async def test_the_file_id_of_an_uploaded_video_is_available_to_the_next_chat(driver: Driver):
    first = await driver.watch()
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    result = await driver.claim_one(RESULT)
    file = StoredFile(file_id="BAAC", is_video=False, unplayable="hevc", size=6_000, duration_s=2.5)
    await driver.store.settle(
        result.delivery.id, Settlement(state=DeliveryState.SENT, at=driver.now, message_id=5, file=file)
    )

    assert (await driver.watch(chat_id=2)).task.file == file
