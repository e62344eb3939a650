"""The polling methods of the Store."""

from dataclasses import replace
from datetime import timedelta

import pytest

from storage.models import Cause, DeliveryKind, EventKind, Media, PollFailure, Snapshot, TaskError, TaskStatus
from tests.contract.store.driver import CHAT, LEASE_S, Driver

CARD, RESULT, NOTICE = DeliveryKind.CARD, DeliveryKind.RESULT, DeliveryKind.NOTICE


async def test_a_claimed_task_is_leased_until_the_lease_expires(driver: Driver):
    await driver.watch()

    (task,) = await driver.claim_tasks()

    assert task.lease_until == driver.later(LEASE_S)
    assert await driver.claim_tasks() == []
    driver.advance(LEASE_S)
    assert len(await driver.claim_tasks()) == 1
    driver.advance(LEASE_S)
    assert [again.id for again in await driver.claim_tasks()] == [task.id]


async def test_tasks_are_claimed_longest_overdue_first(driver: Driver):
    order = []
    for provider, external_id in [("wan", "b"), ("veo", "z"), ("wan", "a")]:
        order.append((await driver.watch(external_id, provider=provider)).task.id)
        driver.advance(1)

    claimed = await driver.store.claim_due({"veo": 5, "wan": 5}, at=driver.now, lease_s=1)

    assert [task.id for task in claimed] == order


async def test_claims_respect_each_providers_quota(driver: Driver):
    for provider in ("wan", "veo", "sora"):
        for number in range(3):
            await driver.watch(f"t{number}", provider=provider)

    claimed = await driver.store.claim_due({"wan": 2, "veo": 0}, at=driver.now, lease_s=1)

    assert [task.ref.provider for task in claimed] == ["wan", "wan"]


async def test_a_task_whose_next_poll_is_later_is_not_claimed(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.RUNNING, next_s=30)

    assert await driver.claim_tasks() == []
    driver.advance(30)
    assert len(await driver.claim_tasks()) == 1


async def test_a_polled_task_is_read_as_written(driver: Driver):
    watched = await driver.watch()
    (task,) = await driver.claim_tasks()
    snapshot = Snapshot(
        status=TaskStatus.FAILED,
        raw_status="FAIL",
        progress=33.5,
        progress_measured=True,
        media=Media(url="https://host/a?sig=%2B", needs_auth=True, expires_at=driver.later(9)),
        error=TaskError(message="太长 🎬", code="E1", cause=Cause.BAD_INPUT),
        prompt="cut within a surrogate pair \ud83c",
        model="m",
        submitted_at=driver.later(-3),
        started_at=driver.later(-2),
        finished_at=driver.now + timedelta(microseconds=1),
        video_s=5.0,
        width=1280,
        height=720,
        queue_position=4,
    )
    after = replace(
        task,
        status=TaskStatus.RUNNING,
        snapshot=snapshot,
        snapshot_at=driver.later(-4.5),
        poll_failure=PollFailure(cause=Cause.UNREACHABLE, message="refused", since=driver.later(0.123456)),
        last_poll_at=driver.later(0.000001),
        next_poll_at=driver.later(7.654321),
        failures=3,
    )

    assert await driver.store.apply(after, [])

    assert await driver.store.task(watched.task.id) == replace(after, version=task.version + 1)


async def test_apply_sets_the_lease_to_the_tasks_lease_until(driver: Driver):
    await driver.watch()
    (task,) = await driver.claim_tasks()
    after, events = driver.polled(task, TaskStatus.RUNNING, next_s=0)

    await driver.store.apply(after, events)
    assert await driver.claim_tasks() == []

    await driver.store.apply(replace(after, version=task.version + 1, lease_until=None), [])
    assert [each.id for each in await driver.claim_tasks()] == [task.id]


async def test_an_ended_task_is_never_due_again(driver: Driver):
    watched = await driver.watch()
    (task,) = await driver.claim_tasks()
    after, events = driver.polled(task, TaskStatus.SUCCEEDED)

    await driver.store.apply(replace(after, next_poll_at=driver.now), events)

    assert await driver.nothing_is_due()
    assert watched.task.id == task.id


async def test_the_later_of_two_concurrent_polls_is_not_written(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    (early,) = await driver.claim_tasks()
    driver.advance(LEASE_S)
    (late,) = await driver.claim_tasks()
    assert await driver.store.apply(*driver.polled(late, TaskStatus.RUNNING))
    await driver.send()

    assert not await driver.store.apply(*driver.polled(early, TaskStatus.SUCCEEDED))

    task = await driver.store.task(watched.task.id)
    assert task is not None
    assert (task.status, task.version) == (TaskStatus.RUNNING, late.version + 1)
    assert await driver.send() == []


async def test_a_stale_poll_releases_the_lease_and_the_task_is_due_again(driver: Driver):
    watched = await driver.watch()
    (early,) = await driver.claim_tasks()
    driver.advance(LEASE_S)
    await driver.claim_tasks()

    assert not await driver.store.apply(*driver.polled(early, TaskStatus.RUNNING))

    assert [task.id for task in await driver.claim_tasks()] == [watched.task.id]


async def test_a_poll_of_an_unwatched_task_sets_no_next_poll(driver: Driver):
    watched = await driver.watch()
    (task,) = await driver.claim_tasks()
    await driver.store.stop_watch(watched.watch.id, at=driver.now)

    assert await driver.store.apply(*driver.polled(task, TaskStatus.RUNNING))

    assert await driver.nothing_is_due()
    assert (await driver.store.task(task.id) or task).status is TaskStatus.RUNNING


async def test_every_active_watch_gets_the_result(driver: Driver):
    first = await driver.watch()
    second = await driver.watch(thread_id=4)
    stopped = await driver.watch(chat_id=2)
    await driver.store.stop_watch(stopped.watch.id, at=driver.now)
    await driver.send()

    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)

    assert sorted(await driver.send()) == sorted(
        (kind, one.watch.id) for kind in (CARD, RESULT) for one in (first, second)
    )


async def test_two_events_with_a_card_make_one_card(driver: Driver):
    watched = await driver.watch()
    await driver.send()

    await driver.poll(watched.task.id, TaskStatus.RUNNING, EventKind.RECOVERED, EventKind.PROGRESS)

    assert await driver.send() == [(CARD, watched.watch.id)]


async def test_a_poll_without_events_enqueues_nothing(driver: Driver):
    await driver.watch()
    await driver.send()
    (task,) = await driver.claim_tasks()
    after, _ = driver.polled(task, TaskStatus.UNKNOWN)

    assert await driver.store.apply(after, [])

    assert await driver.send() == []


async def test_a_newer_card_replaces_the_pending_one(driver: Driver):
    watched = await driver.watch("old")
    driver.advance(1)
    other = await driver.watch("other")
    driver.advance(1)
    await driver.poll(watched.task.id, TaskStatus.RUNNING)

    claimed = await driver.claim()

    assert [outgoing.watch.id for outgoing in claimed] == [watched.watch.id, other.watch.id]
    assert claimed[0].task.status is TaskStatus.RUNNING


async def test_a_notice_goes_to_each_chat_and_topic_once_per_provider_and_cause(driver: Driver):
    first = await driver.watch("a")
    same_chat = await driver.watch("b")
    topic = await driver.watch("b", thread_id=3)
    other_chat = await driver.watch("b", chat_id=2)
    other_provider = await driver.watch("c", provider="veo")

    for task_id in (first.task.id, same_chat.task.id, other_provider.task.id):
        await driver.fail_key(task_id)

    notified = [watch_id for kind, watch_id in await driver.send() if kind is NOTICE]
    assert sorted(notified) == sorted(one.watch.id for one in (first, topic, other_chat, other_provider))
    await driver.fail_key(first.task.id, Cause.KEY_EXHAUSTED)
    assert (NOTICE, first.watch.id) in await driver.send()


async def test_a_provider_that_recovered_may_give_notice_again(driver: Driver):
    watched = await driver.watch("a")
    other = await driver.watch("b", provider="veo")
    await driver.fail_key(watched.task.id)
    await driver.fail_key(other.task.id)
    await driver.send()

    await driver.poll(watched.task.id, TaskStatus.RUNNING, EventKind.RECOVERED)
    await driver.fail_key(watched.task.id)
    await driver.fail_key(other.task.id)

    assert [one for one in await driver.send() if one[0] is NOTICE] == [(NOTICE, watched.watch.id)]


async def test_an_unsent_notice_is_deleted_on_recovery(driver: Driver):
    watched = await driver.watch("a")
    other = await driver.watch("b", provider="veo")
    await driver.fail_key(watched.task.id)
    await driver.fail_key(other.task.id)

    await driver.poll(watched.task.id, TaskStatus.RUNNING, EventKind.RECOVERED)

    assert [one for one in await driver.send() if one[0] is NOTICE] == [(NOTICE, other.watch.id)]


async def test_a_notice_superseded_unsent_does_not_count(driver: Driver):
    watched = await driver.watch("a")
    other = await driver.watch("b")
    await driver.fail_key(watched.task.id)
    await driver.store.stop_watch(watched.watch.id, at=driver.now)

    await driver.fail_key(other.task.id)

    assert [one for one in await driver.send() if one[0] is NOTICE] == [(NOTICE, other.watch.id)]


async def test_tasks_failing_for_a_fixable_cause_are_made_due(driver: Driver):
    refused, exhausted, sound, left = [await driver.watch(name) for name in ("a", "b", "c", "d")]
    await driver.fail_key(refused.task.id)
    await driver.fail_key(exhausted.task.id, Cause.KEY_EXHAUSTED)
    await driver.poll(sound.task.id, TaskStatus.RUNNING)
    await driver.fail_key(left.task.id)
    await driver.store.stop_watch(left.watch.id, at=driver.now)
    driver.advance(1)
    assert await driver.claim_tasks() == []

    await driver.store.make_due_again({Cause.KEY_INVALID, Cause.NOT_CONFIGURED}, at=driver.now)

    assert [task.id for task in await driver.claim_tasks()] == [refused.task.id]


@pytest.mark.parametrize("pruned", [False, True])
async def test_a_notice_of_a_watch_that_is_no_longer_active_does_not_count(driver: Driver, pruned: bool):
    watched = await driver.watch("a")
    await driver.fail_key(watched.task.id)
    await driver.send()
    await driver.store.stop_watch(watched.watch.id, at=driver.now)
    await driver.send()
    if pruned:
        driver.advance(1)
        await driver.store.prune(older_than=driver.now, limit=100)
    other = await driver.watch("b")

    await driver.fail_key(other.task.id)

    assert (NOTICE, other.watch.id) in await driver.send()


async def test_versions_only_increase(driver: Driver):
    watched = await driver.watch()
    versions = [watched.task.version]
    for status in (TaskStatus.QUEUED, TaskStatus.NOT_FOUND):
        await driver.poll(watched.task.id, status)
        versions.append((await driver.store.task(watched.task.id) or watched.task).version)
    await driver.send()
    versions.append((await driver.watch(chat_id=CHAT)).task.version)

    assert versions == sorted(set(versions))


async def test_only_providers_of_tasks_that_have_a_next_poll_are_awaited(driver: Driver):
    await driver.watch("t1", provider="wan")
    ended = await driver.watch("t2", provider="veo")
    await driver.poll(ended.task.id, TaskStatus.FAILED)
    stopped = await driver.watch("t3", provider="jimeng")
    await driver.store.stop_watch(stopped.watch.id, at=driver.now)

    assert await driver.store.providers_with_due_tasks() == {"wan"}
