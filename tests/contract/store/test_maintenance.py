"""Counts, the write check, pruning and the saved texts of the Store."""

from dataclasses import replace

import pytest

from storage.models import Chat, DeliveryKind, DeliveryState, EventKind, TaskStatus
from tests.contract.store.driver import CHAT, Driver
from tests.contract.store.engines import Engine, PostgresEngine


async def test_stats_count_by_status_and_state(driver: Driver):
    await driver.watch("a")
    ended = await driver.watch("b")
    await driver.send()
    await driver.poll(ended.task.id, TaskStatus.SUCCEEDED)
    await driver.claim(1)

    stats = await driver.store.stats()

    assert {name: count for name, count in stats.tasks.items() if count} == {"unknown": 1, "succeeded": 1}
    assert {name: count for name, count in stats.watches.items() if count} == {"active": 2}
    assert {name: count for name, count in stats.deliveries.items() if count} == {
        "sending": 1,
        "pending": 1,
    }


async def test_sent_cards_are_pruned_and_results_are_not(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    await driver.poll(watched.task.id, TaskStatus.RUNNING)
    await driver.send()
    assert not any((await driver.store.stats()).deliveries.values())

    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.send()
    assert (await driver.store.stats()).deliveries["sent"] == 1


async def test_stats_of_an_empty_store_name_every_state(driver: Driver):
    stats = await driver.store.stats()

    assert set(stats.tasks) == {str(status) for status in TaskStatus}
    assert not any((*stats.tasks.values(), *stats.watches.values(), *stats.deliveries.values()))


async def test_the_workload_counts_polled_tasks_by_provider_and_watching_chats(driver: Driver):
    await driver.watch("a")
    await driver.watch("a", chat_id=200)
    await driver.watch("b")
    await driver.watch("c", provider="veo", chat_id=200)
    ended = await driver.watch("d")
    await driver.poll(ended.task.id, TaskStatus.SUCCEEDED)

    workload = await driver.store.workload(at=driver.now)

    assert workload.polled_tasks == {"wan": 2, "veo": 1}
    assert workload.watching_chats == 2
    assert workload.database_bytes > 0


async def test_the_workload_tells_since_when_the_oldest_delivery_waits(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    driver.advance(60)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    ended_at = driver.now
    assert (await driver.store.workload(at=driver.now)).waiting_since == ended_at

    result = await driver.claim_one(DeliveryKind.RESULT)
    assert (await driver.store.workload(at=driver.now)).waiting_deliveries == 0  # it is being sent

    await driver.settle(result, DeliveryState.PENDING, retry_s=300)
    driver.advance(10)
    workload = await driver.store.workload(at=driver.now)
    assert (workload.waiting_deliveries, workload.waiting_since) == (1, ended_at)


async def test_an_edit_that_is_meant_for_later_does_not_wait(driver: Driver):
    await driver.watch_batch("a", "b", "c", "d", hold_s=2.0)

    assert (await driver.store.workload(at=driver.now)).waiting_since is None
    assert (await driver.store.workload(at=driver.later(5))).waiting_since == driver.later(2)


async def test_an_empty_store_has_no_workload(driver: Driver):
    workload = await driver.store.workload(at=driver.now)

    assert (workload.polled_tasks, workload.watching_chats, workload.waiting_deliveries) == ({}, 0, 0)
    assert workload.waiting_since is None


async def test_an_intact_store_passes_its_check(driver: Driver):
    await driver.watch()

    await driver.store.check()

    assert len(await driver.store.active_watches(CHAT)) == 1


async def test_pruning_deletes_what_ended_before_the_limit(driver: Driver):
    ended = await driver.watch("ended")
    stopped = await driver.watch("stopped")
    await driver.poll(ended.task.id, TaskStatus.SUCCEEDED)
    await driver.store.stop_watch(stopped.watch.id, at=driver.now)
    await driver.send()
    driver.advance(100)

    assert await driver.store.prune(older_than=driver.now, limit=100) > 0

    assert await driver.store.prune(older_than=driver.now, limit=100) == 0
    assert await driver.store.task(ended.task.id) is None
    assert await driver.store.watches_of(CHAT, "ended") == []
    assert not any((await driver.store.stats()).deliveries.values())


async def test_pruning_runs_in_batches_until_nothing_old_is_left(driver: Driver):
    for number in range(5):
        watched = await driver.watch(f"t{number}")
        await driver.store.stop_watch(watched.watch.id, at=driver.now)
    await driver.send()
    driver.advance(100)

    pruned: list[int] = []
    while not pruned or pruned[-1]:
        pruned.append(await driver.store.prune(older_than=driver.now, limit=2))

    assert max(pruned) <= 3 * 2
    assert not any((await driver.store.stats()).tasks.values())


async def test_pruning_keeps_what_is_newer(driver: Driver):
    ended = await driver.watch()
    driver.advance(100)
    await driver.poll(ended.task.id, TaskStatus.SUCCEEDED)
    await driver.send()

    assert await driver.store.prune(older_than=driver.later(-1), limit=100) == 0

    assert len(await driver.store.watches_of(CHAT, "t1")) == 1


async def test_pruning_keeps_a_notice_until_its_provider_has_recovered(driver: Driver):
    watched = await driver.watch()
    await driver.fail_key(watched.task.id)
    await driver.send()
    driver.advance(100)
    await driver.store.prune(older_than=driver.now, limit=100)
    await driver.fail_key(watched.task.id)
    assert DeliveryKind.NOTICE not in {kind for kind, _ in await driver.send()}

    await driver.poll(watched.task.id, TaskStatus.RUNNING, EventKind.RECOVERED)
    driver.advance(100)
    await driver.send()
    await driver.store.prune(older_than=driver.now, limit=100)

    assert not any((await driver.store.stats()).deliveries.values())


async def test_pruning_keeps_what_active_watches_need(driver: Driver):
    waiting = await driver.watch("waiting")
    lost = await driver.watch("lost", chat_id=2)
    untold = await driver.watch("untold")
    await driver.poll(untold.task.id, TaskStatus.SUCCEEDED)
    driver.advance(100)
    await driver.store.chat_lost(2, "blocked", at=driver.now)

    assert await driver.store.prune(older_than=driver.now, limit=100) == 0

    for watched in (waiting, lost, untold):
        assert await driver.store.task(watched.task.id) is not None
    assert {watch_id for _, watch_id in await driver.send()} == {waiting.watch.id, untold.watch.id}


@pytest.mark.parametrize("has_ended", [False, True])
async def test_pruning_deletes_a_chat_lost_long_ago_with_its_deliveries(driver: Driver, has_ended: bool):
    watched = await driver.watch()
    if has_ended:
        await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)
    driver.advance(100)

    assert await driver.store.prune(older_than=driver.now, limit=100) > 0

    assert await driver.store.task(watched.task.id) is None
    assert await driver.store.watches_of(CHAT, "t1") == []
    assert await driver.store.chat(CHAT) is None
    await driver.store.chat_found(CHAT, at=driver.now)
    assert await driver.send() == []


async def test_pruning_keeps_a_chat_that_was_lost_and_found(driver: Driver):
    watched = await driver.watch()
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)
    await driver.store.chat_found(CHAT, at=driver.now)
    driver.advance(100)

    assert await driver.store.prune(older_than=driver.now, limit=100) == 0
    assert len(await driver.store.active_watches(CHAT)) == 1
    assert watched.watch.id in {watch_id for _, watch_id in await driver.send()}


async def test_pruning_deletes_old_unsent_deliveries_of_ended_watches(driver: Driver):
    watched = await driver.watch()
    await driver.store.stop_watch(watched.watch.id, at=driver.now)
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)
    driver.advance(100)

    assert await driver.store.prune(older_than=driver.now, limit=100) > 0

    assert not any((await driver.store.stats()).watches.values())


async def test_pruning_keeps_a_result_to_be_sent_again(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(DeliveryKind.RESULT), DeliveryState.UNKNOWN)
    driver.advance(100)
    await driver.store.send_again(watched.watch.id, CHAT, at=driver.now)

    await driver.store.prune(older_than=driver.now, limit=100)

    assert (DeliveryKind.RESULT, watched.watch.id) in await driver.send()


async def test_pruning_deletes_chats_without_watches_except_allowed_ones(driver: Driver):
    for chat_id in (1, 2, CHAT):
        await driver.store.save_chat(Chat(id=chat_id, title="Films"), at=driver.now)
    await driver.watch()
    await driver.store.sync_allowed_chats([2], at=driver.now)
    driver.advance(100)
    await driver.store.save_chat(Chat(id=3, title="New"), at=driver.now)

    await driver.store.prune(older_than=driver.now, limit=100)

    assert [await driver.store.chat(chat_id) is not None for chat_id in (1, 2, 3, CHAT)] == [
        False,
        True,
        True,
        True,
    ]


async def test_old_watches_of_unchanged_tasks_are_stopped_and_their_cards_updated(driver: Driver):
    unseen = await driver.watch("unseen")
    ended = await driver.watch("ended")
    await driver.poll(ended.task.id, TaskStatus.SUCCEEDED)
    driver.advance(100)
    new = await driver.watch("new")
    late = await driver.watch("unseen", chat_id=2)

    assert await driver.store.stop_unchanged(since_before=driver.now, limit=10, at=driver.now) == 1
    assert await driver.store.stop_unchanged(since_before=driver.now, limit=10, at=driver.now) == 0

    (stopped,) = await driver.store.watches_of(CHAT, "unseen")
    assert stopped.watch.state == "stopped"
    sent = {watch_id for _, watch_id in await driver.send()}
    assert sent >= {ended.watch.id, new.watch.id, late.watch.id}
    assert [task.id for task in await driver.claim_tasks()] == [unseen.task.id, new.task.id]


async def test_an_old_watch_of_a_task_that_changes_or_is_requested_continues(driver: Driver):
    watched = await driver.watch()
    driver.advance(100)
    before = driver.now
    (task,) = await driver.claim_tasks()
    after, events = driver.polled(task, TaskStatus.RUNNING)
    await driver.store.apply(replace(after, unchanged_since=driver.now), events)

    assert await driver.store.stop_unchanged(since_before=before, limit=10, at=driver.now) == 0
    assert [each.watch.id for each in await driver.store.active_watches(CHAT)] == [watched.watch.id]


async def test_the_id_of_a_deleted_watch_is_not_reused(driver: Driver):
    first = await driver.watch()
    await driver.store.stop_watch(first.watch.id, at=driver.now)
    await driver.send()
    driver.advance(100)
    await driver.store.prune(older_than=driver.now, limit=100)

    second = await driver.watch("t2")

    assert second.watch.id > first.watch.id
    assert second.task.id > first.task.id


async def test_the_leaders_state_is_kept_where_others_can_read_it(driver: Driver, engine: Engine):
    assert await driver.store.load_leader_state() is None

    for state in ("{}", '{"gateways": []}'):
        await driver.store.save_leader_state(state)
        kept = state if isinstance(engine, PostgresEngine) else None
        assert await driver.store.load_leader_state() == kept


async def test_estimates_are_kept_as_last_saved(driver: Driver):
    assert await driver.store.load_estimates() is None

    for learned in ("[]", '{"model": "万相 🎬"}'):
        await driver.store.save_estimates(learned)
        assert await driver.store.load_estimates() == learned
