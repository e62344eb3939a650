"""Chats that are saved, lost, found and migrated."""

import pytest

from storage.models import Chat, DeliveryKind, DeliveryState, EventKind, TaskStatus
from storage.watches import WatchState
from tests.contract.store.driver import CHAT, LEASE_S, Driver

CARD, RESULT, NOTICE = DeliveryKind.CARD, DeliveryKind.RESULT, DeliveryKind.NOTICE
NEW = -100200300


async def test_a_chat_is_read_as_last_saved(driver: Driver):
    assert await driver.store.chat(5) is None
    await driver.store.save_chat(Chat(id=5, title="影片", language="zh"), at=driver.now)
    latest = Chat(id=5, title="Films")
    await driver.store.save_chat(latest, at=driver.now)

    assert await driver.store.chat(5) == latest


async def test_losing_a_chat_suspends_its_watches_and_stops_their_polling(driver: Driver):
    watched = await driver.watch()

    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)

    (found,) = await driver.store.watches_of(CHAT, "t1")
    assert (found.watch.state, found.task.next_poll_at) == (WatchState.SUSPENDED, None)
    assert (await driver.store.chat(CHAT) or Chat(id=0, title="")).disabled_reason == "blocked"
    assert await driver.store.active_watches(CHAT) == []
    assert not await driver.store.stop_watch(watched.watch.id, at=driver.now)


async def test_losing_a_chat_keeps_its_title_and_language(driver: Driver):
    await driver.store.save_chat(Chat(id=CHAT, title="Films", language="zh"), at=driver.now)

    await driver.store.chat_lost(CHAT, "kicked", at=driver.now)

    assert await driver.store.chat(CHAT) == Chat(
        id=CHAT, title="Films", language="zh", disabled_reason="kicked"
    )


async def test_an_unknown_chat_without_watches_is_not_stored(driver: Driver):
    await driver.store.chat_lost(CHAT, "kicked", at=driver.now)
    await driver.store.throttle_chat(NEW, until=driver.later(60))

    assert [await driver.store.chat(chat_id) for chat_id in (CHAT, NEW)] == [None, None]
    assert await driver.store.throttled_chats(at=driver.now) == {}


async def test_a_task_watched_by_another_chat_is_polled_further_when_one_is_lost(driver: Driver):
    first = await driver.watch()
    await driver.watch(chat_id=2)

    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)

    assert [task.id for task in await driver.claim_tasks()] == [first.task.id]


@pytest.mark.parametrize("in_hand", [False, True])
async def test_nothing_is_sent_to_a_lost_chat_until_it_is_found(driver: Driver, in_hand: bool):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    if in_hand:
        await driver.claim()

    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)
    driver.advance(LEASE_S)

    assert await driver.claim() == []
    assert await driver.store.next_delivery_at() is None
    await driver.store.chat_found(CHAT, at=driver.now)
    assert await driver.send() == [(RESULT, watched.watch.id)]


async def test_saving_a_lost_chat_does_not_resume_it(driver: Driver):
    watched = await driver.watch()
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)
    await driver.store.save_chat(Chat(id=CHAT, title="another title"), at=driver.now)

    assert await driver.send() == []
    await driver.store.chat_found(CHAT, at=driver.now)
    assert await driver.send() == [(CARD, watched.watch.id)]


async def test_the_last_card_of_a_stopped_watch_waits_for_its_lost_chat(driver: Driver):
    watched = await driver.watch()
    await driver.store.stop_watch(watched.watch.id, at=driver.now)
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)

    assert await driver.send() == []
    await driver.store.chat_found(CHAT, at=driver.now)
    assert await driver.send() == [(CARD, watched.watch.id)]


async def test_a_found_chats_watches_resume(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)
    driver.advance(3600)

    await driver.store.chat_found(CHAT, at=driver.now)

    (found,) = await driver.store.active_watches(CHAT)
    assert (found.watch.id, found.task.next_poll_at) == (watched.watch.id, driver.now)
    assert (await driver.store.chat(CHAT) or Chat(id=0, title="")).disabled_reason is None
    assert await driver.send() == [(CARD, watched.watch.id)]


async def test_a_found_chat_gets_the_result_of_a_task_that_ended_meanwhile(driver: Driver):
    watched = await driver.watch()
    await driver.watch(chat_id=2)
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.send()

    await driver.store.chat_found(CHAT, at=driver.now)

    assert await driver.send() == [(RESULT, watched.watch.id), (CARD, watched.watch.id)]


async def test_finding_a_chat_that_was_not_lost_changes_nothing(driver: Driver):
    await driver.watch()
    await driver.send()

    await driver.store.chat_found(CHAT, at=driver.now)
    await driver.store.chat_found(999, at=driver.now)

    assert await driver.send() == []


async def test_a_command_from_a_lost_chat_resumes_it(driver: Driver):
    first = await driver.watch()
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)

    again = await driver.watch()
    other = await driver.watch("t2")

    assert (again.watch.state, again.is_new) == (WatchState.ACTIVE, False)
    assert await driver.send() == [(CARD, first.watch.id), (CARD, other.watch.id)]


async def test_watches_of_a_migrated_group_move_and_get_new_cards(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    await driver.store.save_chat(Chat(id=CHAT, title="Films", language="zh"), at=driver.now)

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    assert await driver.store.watches_of(CHAT, "t1") == []
    (moved,) = await driver.store.active_watches(NEW)
    assert (moved.watch.id, moved.watch.card_message_id, moved.watch.card_digest) == (
        watched.watch.id,
        None,
        None,
    )
    assert moved.watch.request_message_id is None
    assert await driver.store.chat(NEW) == Chat(id=NEW, title="Films", language="zh")
    assert await driver.store.chat(CHAT) is None
    assert await driver.send() == [(CARD, watched.watch.id)]
    assert len(await driver.claim_tasks()) == 1


async def test_a_result_interrupted_by_the_migration_is_sent_to_the_new_chat(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    result = await driver.claim_one(RESULT)
    await driver.store.note_message(result.delivery.id, 5)

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)
    await driver.settle(result, DeliveryState.PENDING)

    again = await driver.claim_one(RESULT)
    assert (again.watch.chat_id, again.delivery.message_id) == (NEW, None)


async def test_a_card_being_sent_during_a_migration_is_sent_again_to_the_new_chat(driver: Driver):
    watched = await driver.watch()
    card = await driver.claim_one(CARD)

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)
    await driver.settle(card, message_id=8, digest="shown")

    (moved,) = await driver.store.active_watches(NEW)
    assert (moved.watch.card_message_id, moved.watch.card_digest) == (None, None)
    assert await driver.send() == [(CARD, watched.watch.id)]


async def test_a_lost_group_continues_under_its_new_id(driver: Driver):
    watched = await driver.watch()
    await driver.store.chat_lost(CHAT, "migrated", at=driver.now)

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    assert await driver.send() == [(CARD, watched.watch.id)]


async def test_a_repeated_migration_changes_nothing(driver: Driver):
    await driver.watch()
    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)
    await driver.send()

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)
    await driver.store.migrate_chat(NEW, NEW, at=driver.now)

    assert await driver.send() == []
    assert len(await driver.store.active_watches(NEW)) == 1


@pytest.mark.parametrize("thread_id", [None, 4])
async def test_two_suspended_watches_of_a_task_are_merged_with_their_chats(
    driver: Driver, thread_id: int | None
):
    await driver.watch(thread_id=thread_id)
    new = await driver.watch(chat_id=NEW, thread_id=thread_id)
    await driver.poll(new.task.id, TaskStatus.SUCCEEDED)

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    assert await driver.send() == [(RESULT, new.watch.id)]


async def test_a_result_that_the_new_chat_has_is_not_sent_again_for_the_old_one(driver: Driver):
    old = await driver.watch()
    await driver.store.chat_lost(CHAT, "migrated", at=driver.now)
    await driver.watch(chat_id=NEW)
    await driver.poll(old.task.id, TaskStatus.SUCCEEDED)
    await driver.send()

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    assert await driver.send() == []
    (left,) = await driver.store.watches_of(NEW, "t1")
    assert left.watch.state is WatchState.FINISHED


async def test_an_unfinished_watch_replaces_the_stopped_one_of_the_new_chat(driver: Driver):
    old = await driver.watch()
    new = await driver.watch(chat_id=NEW)
    await driver.store.stop_watch(new.watch.id, at=driver.now)
    await driver.poll(old.task.id, TaskStatus.SUCCEEDED)

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    assert await driver.send() == [(RESULT, old.watch.id)]


@pytest.mark.parametrize("sent", [False, True])
async def test_a_notice_of_both_chats_counts_once_in_the_new_one(driver: Driver, sent: bool):
    first = await driver.watch("a")
    second = await driver.watch("b", chat_id=NEW)
    for task_id in (first.task.id, second.task.id):
        await driver.fail_key(task_id)
    if sent:
        await driver.send()

    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)
    await driver.fail_key(first.task.id)

    assert len([kind for kind, _ in await driver.send() if kind is NOTICE]) == (0 if sent else 1)
    await driver.poll(first.task.id, TaskStatus.RUNNING, EventKind.RECOVERED)
    await driver.fail_key(first.task.id)
    assert len([kind for kind, _ in await driver.send() if kind is NOTICE]) == 1


async def test_a_notice_sent_in_the_old_chat_counts_in_the_new_one(driver: Driver):
    watched = await driver.watch()
    await driver.fail_key(watched.task.id)
    await driver.send()
    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    await driver.fail_key(watched.task.id)

    assert NOTICE not in {kind for kind, _ in await driver.send()}


async def test_a_throttled_chat_is_remembered_until_its_end(driver: Driver):
    for chat_id in (CHAT, NEW):
        await driver.watch(chat_id=chat_id)
    await driver.store.throttle_chat(CHAT, until=driver.later(60))
    await driver.store.throttle_chat(NEW, until=driver.later(10))
    await driver.store.throttle_chat(NEW, until=driver.later(30))

    assert await driver.store.throttled_chats(at=driver.now) == {
        CHAT: driver.later(60),
        NEW: driver.later(30),
    }
    assert await driver.store.throttled_chats(at=driver.later(45)) == {CHAT: driver.later(60)}
