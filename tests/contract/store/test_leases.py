"""Leases of tasks that a polling worker claims ahead of time, and their renewal."""

from dataclasses import replace

from storage.models import TaskStatus
from tests.contract.store.driver import LEASE_S, Driver


async def test_a_task_due_soon_can_be_claimed_ahead(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.RUNNING, next_s=30)
    driver.advance(1)

    early = await driver.store.claim_due({"wan": 9}, at=driver.now, lease_s=LEASE_S, ahead_s=28.5)
    soon = await driver.store.claim_due({"wan": 9}, at=driver.now, lease_s=LEASE_S, ahead_s=29)

    assert (early, [task.id for task in soon]) == ([], [watched.task.id])


async def test_a_lease_that_ends_soon_is_not_claimed_ahead(driver: Driver):
    await driver.watch()
    await driver.claim_tasks()
    driver.advance(LEASE_S - 1)

    assert await driver.store.claim_due({"wan": 9}, at=driver.now, lease_s=LEASE_S, ahead_s=60) == []


async def test_a_poll_request_for_a_leased_task_is_returned_once(driver: Driver):
    watched = await driver.watch()
    (task,) = await driver.claim_tasks()
    await driver.store.apply(*driver.polled(task, TaskStatus.RUNNING))
    assert await driver.store.take_poll_requests() == []
    driver.advance(1)

    await driver.store.request_poll(watched.task.id, at=driver.now)

    (requested,) = await driver.store.take_poll_requests()
    assert (requested.id, requested.next_poll_at) == (task.id, driver.now)
    assert await driver.store.take_poll_requests() == []


async def test_a_leased_task_whose_watch_was_stopped_is_returned_once(driver: Driver):
    watched = await driver.watch()
    await driver.claim_tasks()

    await driver.store.stop_watch(watched.watch.id, at=driver.now)

    (requested,) = await driver.store.take_poll_requests()
    assert requested.next_poll_at is None


async def test_renewal_extends_leases_and_writes_the_poll_times(driver: Driver):
    await driver.watch()
    (task,) = await driver.claim_tasks()
    driver.advance(50)
    looked_at = replace(
        task, snapshot_at=driver.later(-9), last_poll_at=driver.now, next_poll_at=driver.later(20)
    )

    assert await driver.store.renew_tasks([looked_at], at=driver.now, lease_s=LEASE_S) == {task.id: 1}

    known = await driver.store.task(task.id)
    assert known is not None
    assert (known.snapshot_at, known.last_poll_at) == (driver.later(-9), driver.now)
    assert known.next_poll_at == driver.later(20)
    driver.advance(LEASE_S - 1)
    assert await driver.claim_tasks() == []


async def test_a_renewal_does_not_overwrite_a_poll_request(driver: Driver):
    watched = await driver.watch()
    (task,) = await driver.claim_tasks()
    await driver.store.request_poll(watched.task.id, at=driver.now)

    later = replace(task, next_poll_at=driver.later(20))
    await driver.store.renew_tasks([later], at=driver.now, lease_s=LEASE_S)

    (requested,) = await driver.store.take_poll_requests()
    assert requested.next_poll_at == driver.now


async def test_a_lease_that_was_lost_is_not_renewed(driver: Driver):
    await driver.watch()
    (lost,) = await driver.claim_tasks()
    driver.advance(LEASE_S)
    (task,) = await driver.claim_tasks()

    assert await driver.store.renew_tasks([lost], at=driver.now, lease_s=LEASE_S) == {}
    assert await driver.store.renew_tasks([task], at=driver.now, lease_s=LEASE_S) == {task.id: 1}


async def test_a_poll_request_is_returned_to_the_later_lease_owner(driver: Driver):
    watched = await driver.watch()
    await driver.store.request_poll(watched.task.id, at=driver.now)
    assert await driver.store.take_poll_requests() == []

    (claimed,) = await driver.claim_tasks()

    assert [task.id for task in await driver.store.take_poll_requests()] == [claimed.id]
    assert await driver.store.take_poll_requests() == []


async def test_a_new_task_has_no_poll_request(driver: Driver):
    await driver.watch()
    await driver.claim_tasks()

    assert await driver.store.take_poll_requests() == []


async def test_a_leased_task_watched_again_is_returned(driver: Driver):
    watched = await driver.watch()
    await driver.claim_tasks()
    await driver.store.stop_watch(watched.watch.id, at=driver.now)
    await driver.store.take_poll_requests()

    await driver.watch()

    (requested,) = await driver.store.take_poll_requests()
    assert requested.next_poll_at == driver.now


async def test_a_claimed_task_has_the_number_of_its_chats_active_watches(driver: Driver):
    for number in range(3):
        await driver.watch(f"busy{number}")
    await driver.watch("lone", chat_id=2)

    watch_counts = {task.ref.external_id: task.chat_active_watches for task in await driver.claim_tasks()}

    assert watch_counts == {"busy0": 3, "busy1": 3, "busy2": 3, "lone": 1}


async def test_a_task_of_two_chats_counts_for_the_chat_with_fewer_watches(driver: Driver):
    for number in range(3):
        await driver.watch(f"t{number}")
    await driver.watch("t0", chat_id=2)

    watch_counts = {task.ref.external_id: task.chat_active_watches for task in await driver.claim_tasks()}

    assert watch_counts == {"t0": 1, "t1": 3, "t2": 3}


async def test_ended_watches_are_not_counted_as_active(driver: Driver):
    ended, stopped = await driver.watch("ended"), await driver.watch("stopped")
    await driver.send()
    await driver.poll(ended.task.id, TaskStatus.SUCCEEDED)
    await driver.send()
    await driver.store.stop_watch(stopped.watch.id, at=driver.now)
    await driver.watch("active")

    (task,) = await driver.claim_tasks()

    assert (task.ref.external_id, task.chat_active_watches) == ("active", 1)


async def test_a_renewal_returns_the_present_number_of_active_watches(driver: Driver):
    stopped = [await driver.watch(f"stopped{number}") for number in range(3)]
    last = await driver.watch("last")
    claimed = await driver.claim_tasks()
    for watched in stopped:
        await driver.store.stop_watch(watched.watch.id, at=driver.now)

    watch_counts = await driver.store.renew_tasks(claimed, at=driver.now, lease_s=LEASE_S)

    assert watch_counts[last.task.id] == 1
