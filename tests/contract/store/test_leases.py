"""What a clock asks of the archive that leases tasks ahead and keeps them in memory."""

from dataclasses import replace

from storage.models import TaskStatus
from tests.contract.store.driver import LEASE_S, Driver


async def test_what_is_due_soon_can_be_claimed_ahead(driver: Driver):
    watched = await driver.watch()
    await driver.look(watched.task.id, TaskStatus.RUNNING, next_s=30)
    driver.wait(1)

    early = await driver.store.claim_due({"wan": 9}, at=driver.now, lease_s=LEASE_S, ahead_s=28.5)
    soon = await driver.store.claim_due({"wan": 9}, at=driver.now, lease_s=LEASE_S, ahead_s=29)

    assert (early, [task.id for task in soon]) == ([], [watched.task.id])


async def test_a_lease_that_ends_soon_is_not_claimed_ahead(driver: Driver):
    await driver.watch()
    await driver.claim_tasks()
    driver.wait(LEASE_S - 1)

    assert await driver.store.claim_due({"wan": 9}, at=driver.now, lease_s=LEASE_S, ahead_s=60) == []


async def test_a_leased_task_that_people_ask_about_is_told_once(driver: Driver):
    watched = await driver.watch()
    (task,) = await driver.claim_tasks()
    await driver.store.apply(*driver.seen(task, TaskStatus.RUNNING))
    assert await driver.store.take_poll_requests() == []
    driver.wait(1)

    await driver.store.request_poll(watched.task.id, at=driver.now)

    (touched,) = await driver.store.take_poll_requests()
    assert (touched.id, touched.next_poll_at) == (task.id, driver.now)
    assert await driver.store.take_poll_requests() == []


async def test_a_leased_task_that_people_leave_is_told_once(driver: Driver):
    watched = await driver.watch()
    await driver.claim_tasks()

    await driver.store.stop_watch(watched.watch.id, at=driver.now)

    (touched,) = await driver.store.take_poll_requests()
    assert touched.next_poll_at is None


async def test_renewed_leases_last_longer_and_say_when_looks_were_and_the_next_one_is(driver: Driver):
    await driver.watch()
    (task,) = await driver.claim_tasks()
    driver.wait(50)
    looked_at = replace(
        task, snapshot_at=driver.later(-9), last_poll_at=driver.now, next_poll_at=driver.later(20)
    )

    assert await driver.store.renew_tasks([looked_at], at=driver.now, lease_s=LEASE_S) == {task.id: 1}

    known = await driver.store.task(task.id)
    assert known is not None
    assert (known.snapshot_at, known.last_poll_at) == (driver.later(-9), driver.now)
    assert known.next_poll_at == driver.later(20)
    driver.wait(LEASE_S - 1)
    assert await driver.claim_tasks() == []


async def test_a_renewal_does_not_overrule_what_people_want(driver: Driver):
    watched = await driver.watch()
    (task,) = await driver.claim_tasks()
    await driver.store.request_poll(watched.task.id, at=driver.now)

    later = replace(task, next_poll_at=driver.later(20))
    await driver.store.renew_tasks([later], at=driver.now, lease_s=LEASE_S)

    (touched,) = await driver.store.take_poll_requests()
    assert touched.next_poll_at == driver.now


async def test_a_lease_that_was_lost_is_not_renewed(driver: Driver):
    await driver.watch()
    (lost,) = await driver.claim_tasks()
    driver.wait(LEASE_S)
    (task,) = await driver.claim_tasks()

    assert await driver.store.renew_tasks([lost], at=driver.now, lease_s=LEASE_S) == {}
    assert await driver.store.renew_tasks([task], at=driver.now, lease_s=LEASE_S) == {task.id: 1}


async def test_who_waits_for_a_look_is_told_to_whoever_leases_the_task_later(driver: Driver):
    watched = await driver.watch()
    await driver.store.request_poll(watched.task.id, at=driver.now)
    assert await driver.store.take_poll_requests() == []

    (claimed,) = await driver.claim_tasks()

    assert [task.id for task in await driver.store.take_poll_requests()] == [claimed.id]
    assert await driver.store.take_poll_requests() == []


async def test_nobody_waits_for_a_look_at_a_new_task(driver: Driver):
    await driver.watch()
    await driver.claim_tasks()

    assert await driver.store.take_poll_requests() == []


async def test_a_leased_task_that_people_left_and_want_again_is_told(driver: Driver):
    watched = await driver.watch()
    await driver.claim_tasks()
    await driver.store.stop_watch(watched.watch.id, at=driver.now)
    await driver.store.take_poll_requests()

    await driver.watch()

    (touched,) = await driver.store.take_poll_requests()
    assert touched.next_poll_at == driver.now


async def test_a_claimed_task_says_how_many_its_chat_waits_for(driver: Driver):
    for number in range(3):
        await driver.watch(f"busy{number}")
    await driver.watch("lone", chat_id=2)

    watch_counts = {task.ref.external_id: task.chat_active_watches for task in await driver.claim_tasks()}

    assert watch_counts == {"busy0": 3, "busy1": 3, "busy2": 3, "lone": 1}


async def test_a_task_of_two_chats_counts_with_the_one_that_waits_for_less(driver: Driver):
    for number in range(3):
        await driver.watch(f"t{number}")
    await driver.watch("t0", chat_id=2)

    watch_counts = {task.ref.external_id: task.chat_active_watches for task in await driver.claim_tasks()}

    assert watch_counts == {"t0": 1, "t1": 3, "t2": 3}


async def test_watches_that_ended_do_not_count_in_the_crowd(driver: Driver):
    ended, stopped = await driver.watch("ended"), await driver.watch("stopped")
    await driver.send()
    await driver.look(ended.task.id, TaskStatus.SUCCEEDED)
    await driver.send()
    await driver.store.stop_watch(stopped.watch.id, at=driver.now)
    await driver.watch("active")

    (task,) = await driver.claim_tasks()

    assert (task.ref.external_id, task.chat_active_watches) == ("active", 1)


async def test_a_renewal_says_how_many_the_chat_waits_for_now(driver: Driver):
    stopped = [await driver.watch(f"stopped{number}") for number in range(3)]
    last = await driver.watch("last")
    claimed = await driver.claim_tasks()
    for watched in stopped:
        await driver.store.stop_watch(watched.watch.id, at=driver.now)

    watch_counts = await driver.store.renew_tasks(claimed, at=driver.now, lease_s=LEASE_S)

    assert watch_counts[last.task.id] == 1
