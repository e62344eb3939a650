"""Lookups: which of several providers knows an id, and the question if polling does not tell."""

from dataclasses import replace

import pytest

from storage.errors import WatchLimitReached
from storage.lookups import Lookup, LookupState
from storage.models import DeliveryKind, EventKind, TaskRef, TaskStatus
from storage.outbox import LookupDelivery
from storage.watches import WatchLimits
from tests.contract.store.driver import CHAT, LEASE_S, Driver
from tests.fakes.requests import lookup_request

RUNNING, UNKNOWN, NOT_FOUND = TaskStatus.RUNNING, TaskStatus.UNKNOWN, TaskStatus.NOT_FOUND
HOUR_S = 3600.0


async def look_up(
    driver: Driver,
    *providers: str,
    ids: tuple[str, ...] = ("t1",),
    limits: WatchLimits | None = None,
    message_id: int = 7,
) -> None:
    request = lookup_request(*ids, providers=providers or ("wan", "sora"), message_id=message_id)
    await driver.store.look_up(request, at=driver.now, limits=limits or WatchLimits())


async def polled(driver: Driver, provider: str, status: TaskStatus | None) -> None:
    """The polling loop polls the due tasks of a provider; None: it does not know them."""
    for task in await driver.claim_tasks(provider):
        if status is not None:
            await driver.store.apply(*driver.polled(task, status))
        else:
            after = replace(task, last_poll_at=driver.now, next_poll_at=driver.later(5))
            await driver.store.apply(after, [])


async def claim(driver: Driver) -> list[LookupDelivery]:
    """Claim all deliveries that can be sent, and return the lookups."""
    lookups: list[LookupDelivery] = []
    while found := await driver.store.claim_deliveries(100, at=driver.now, lease_s=LEASE_S):
        lookups += [each for each in found if isinstance(each, LookupDelivery)]
    return lookups


async def asked(driver: Driver, message_id: int = 500) -> Lookup:
    """Claim the question and send it."""
    (out,) = await claim(driver)
    await driver.settle(out, message_id=message_id)
    return out.lookup


async def watched(driver: Driver) -> list[str]:
    return [str(each.task.ref) for each in await driver.store.active_watches(CHAT)]


async def test_the_one_provider_that_knows_an_id_is_watched(driver: Driver):
    await look_up(driver)
    await polled(driver, "wan", None)
    assert await watched(driver) == []
    await polled(driver, "sora", RUNNING)

    assert await watched(driver) == ["sora t1"]
    (watch,) = [each.watch for each in await driver.store.active_watches(CHAT)]
    assert (watch.request_message_id, watch.user_id, watch.language) == (7, 42, "en")
    assert [out.delivery.kind for out in await driver.claim()] == [DeliveryKind.CARD]
    driver.advance(HOUR_S)
    assert await claim(driver) == []


async def test_a_video_that_is_done_is_sent_without_a_card(driver: Driver):
    await look_up(driver)
    await polled(driver, "wan", None)
    await polled(driver, "sora", TaskStatus.SUCCEEDED)

    assert [out.delivery.kind for out in await driver.claim()] == [DeliveryKind.RESULT]


async def test_a_candidate_is_polled_once(driver: Driver):
    await look_up(driver)
    await polled(driver, "wan", None)

    assert await driver.nothing_is_due("wan")


async def test_a_candidate_without_a_watch_says_so_to_its_worker(driver: Driver):
    await look_up(driver)

    (task,) = await driver.claim_tasks("wan")

    assert task.chat_active_watches == 0


async def test_an_id_that_nobody_knows_is_asked_for_once(driver: Driver):
    await look_up(driver)
    await polled(driver, "wan", None)
    assert await claim(driver) == []
    await polled(driver, "sora", NOT_FOUND)

    lookup = await asked(driver)

    assert (lookup.state, lookup.external_ids, lookup.providers) == (
        LookupState.ASKING,
        ("t1",),
        ("wan", "sora"),
    )
    driver.advance(HOUR_S - 1)
    assert await claim(driver) == []


async def test_of_several_that_know_an_id_one_must_be_chosen(driver: Driver):
    await look_up(driver, "wan", "sora", "east")
    await polled(driver, "wan", RUNNING)
    await polled(driver, "sora", RUNNING)
    await polled(driver, "east", None)

    assert (await asked(driver)).providers == ("wan", "sora")
    assert await watched(driver) == []


async def test_a_candidate_that_is_not_polled_in_ten_seconds_does_not_count(driver: Driver):
    await look_up(driver)
    await polled(driver, "sora", RUNNING)
    driver.advance(9)
    assert await claim(driver) == []

    driver.advance(1)
    (out,) = await claim(driver)

    assert out.lookup.state is LookupState.FOUND
    assert await watched(driver) == ["sora t1"]


async def test_an_answer_is_watched_and_ends_the_question(driver: Driver):
    await look_up(driver, ids=("t1", "t2"))
    driver.advance(10)
    lookup = await asked(driver)

    assert await driver.store.answer_lookup(lookup.id, CHAT, "sora", at=driver.now)
    assert not await driver.store.answer_lookup(lookup.id, CHAT, "wan", at=driver.now)

    assert await watched(driver) == ["sora t1", "sora t2"]
    (out,) = await claim(driver)
    assert (out.lookup.state, out.lookup.answer, out.lookup.question_message_id) == (
        LookupState.ANSWERED,
        "sora",
        500,
    )
    await driver.settle(out)
    driver.advance(HOUR_S)
    assert await claim(driver) == []


async def test_an_answer_before_the_question_is_settled_is_not_lost(driver: Driver):
    await look_up(driver)
    driver.advance(10)
    (out,) = await claim(driver)
    assert await driver.store.answer_lookup(out.lookup.id, CHAT, "wan", at=driver.now)

    await driver.settle(out, message_id=500)

    (edit,) = await claim(driver)
    assert (edit.lookup.state, edit.lookup.question_message_id) == (LookupState.ANSWERED, 500)


@pytest.mark.parametrize("provider", ["east", ""])
async def test_only_a_provider_that_was_offered_can_be_chosen(driver: Driver, provider: str):
    await look_up(driver)
    driver.advance(10)
    lookup = await asked(driver)

    assert not await driver.store.answer_lookup(lookup.id, CHAT, provider, at=driver.now)
    assert not await driver.store.answer_lookup(lookup.id, CHAT + 1, "wan", at=driver.now)
    assert await driver.store.lookup(lookup.id, CHAT + 1) is None


async def test_a_question_ends_by_itself(driver: Driver):
    await look_up(driver)
    driver.advance(10)
    lookup = await asked(driver)
    driver.advance(HOUR_S)

    (out,) = await claim(driver)
    await driver.settle(out)

    assert out.lookup.state is LookupState.UNANSWERED
    assert not await driver.store.answer_lookup(lookup.id, CHAT, "wan", at=driver.now)
    assert await watched(driver) == []
    driver.advance(HOUR_S)
    assert await claim(driver) == []


async def test_a_question_whose_sending_failed_is_sent_again(driver: Driver):
    await look_up(driver)
    driver.advance(10)
    (out,) = await claim(driver)
    driver.advance(LEASE_S + 1)  # a crash

    assert (await asked(driver)).state is LookupState.ASKING
    assert out.lookup.state is LookupState.ASKING


async def test_a_task_that_is_known_already_is_not_polled(driver: Driver):
    known = await driver.watch("t1", provider="sora", chat_id=CHAT + 1)
    await polled(driver, "sora", RUNNING)
    await look_up(driver)
    await polled(driver, "wan", None)

    assert await watched(driver) == ["sora t1"]
    assert (await driver.store.active_watches(CHAT))[0].task.id == known.task.id


async def test_a_task_that_was_not_found_before_is_polled_again(driver: Driver):
    await driver.watch("t1", provider="wan", chat_id=CHAT + 1)
    await polled(driver, "wan", NOT_FOUND)
    await look_up(driver)

    await polled(driver, "sora", None)
    await polled(driver, "wan", RUNNING)

    assert await watched(driver) == ["wan t1"]


async def test_a_candidate_that_is_watched_meanwhile_goes_on_being_polled(driver: Driver):
    await look_up(driver)
    (task,) = await driver.claim_tasks("wan")
    await driver.watch("t1", provider="wan")
    await driver.store.apply(*driver.polled(task, UNKNOWN, EventKind.MISSING))

    assert not await driver.nothing_is_due("wan")


async def test_a_redelivered_message_asks_no_second_question(driver: Driver):
    await look_up(driver)
    await look_up(driver)
    driver.advance(10)
    lookup = await asked(driver)
    await look_up(driver)

    assert await claim(driver) == []
    assert await driver.store.answer_lookup(lookup.id, CHAT, "wan", at=driver.now)
    await look_up(driver)
    assert await watched(driver) == ["wan t1"]


async def test_a_limit_refuses_a_lookup_and_an_answer(driver: Driver):
    limits = WatchLimits(per_chat=1)
    with pytest.raises(WatchLimitReached):
        await look_up(driver, ids=("t1", "t2"), limits=limits)
    assert await driver.nothing_is_due("wan")
    await look_up(driver, limits=limits)
    driver.advance(10)
    lookup = await asked(driver)
    await driver.watch("other")

    with pytest.raises(WatchLimitReached):
        await driver.store.answer_lookup(lookup.id, CHAT, "wan", at=driver.now, limits=limits)
    still = await driver.store.lookup(lookup.id, CHAT)
    assert still is not None
    assert still.state is LookupState.ASKING


@pytest.mark.parametrize("limits", [WatchLimits(per_chat=3), WatchLimits(per_chat=9, per_person=3)])
async def test_the_ids_of_open_lookups_count_towards_the_limits(driver: Driver, limits: WatchLimits):
    await look_up(driver, "wan", "sora", "east", ids=("t1", "t2"), limits=limits)
    await look_up(driver, "wan", "sora", "east", ids=("t1", "t2"), limits=limits)  # redelivered
    with pytest.raises(WatchLimitReached):
        await look_up(driver, ids=("t3", "t4"), message_id=8, limits=limits)
    driver.advance(10)
    await asked(driver)
    with pytest.raises(WatchLimitReached):
        await look_up(driver, ids=("t3", "t4"), message_id=8, limits=limits)

    driver.advance(HOUR_S)
    await driver.settle((await claim(driver))[0])

    await look_up(driver, ids=("t3", "t4"), message_id=8, limits=limits)


async def test_a_lookup_of_a_lost_chat_is_pruned_with_what_it_would_send(driver: Driver):
    await look_up(driver)
    await driver.store.chat_lost(CHAT, "kicked", at=driver.now)
    driver.advance(HOUR_S)

    while await driver.store.prune(older_than=driver.now, limit=100):
        pass

    stats = await driver.store.stats()
    assert sum(stats.deliveries.values()) == 0
    assert sum(stats.tasks.values()) == 0


async def test_a_question_that_is_being_sent_is_pruned_with_its_lookup(driver: Driver):
    await look_up(driver)
    driver.advance(10)
    (out,) = await claim(driver)
    driver.advance(HOUR_S)

    while await driver.store.prune(older_than=driver.now, limit=100):
        pass

    assert sum((await driver.store.stats()).deliveries.values()) == 0
    await driver.settle(out, message_id=500)
    assert await claim(driver) == []


async def test_a_migrated_group_is_asked_in_the_supergroup(driver: Driver):
    await look_up(driver)
    await driver.store.migrate_chat(CHAT, CHAT + 1, at=driver.now)
    driver.advance(10)

    (out,) = await claim(driver)

    assert (out.delivery.chat_id, out.lookup.chat_id, out.lookup.message_id) == (CHAT + 1, CHAT + 1, None)


async def test_a_question_that_is_being_sent_while_its_group_is_migrated_is_sent_again(driver: Driver):
    await look_up(driver)
    driver.advance(10)
    (out,) = await claim(driver)
    await driver.store.migrate_chat(CHAT, CHAT + 1, at=driver.now)
    await driver.settle(out, message_id=500)

    (again,) = await claim(driver)

    assert (again.delivery.chat_id, again.lookup.state) == (CHAT + 1, LookupState.ASKING)
    assert again.lookup.question_message_id is None


async def test_a_chat_without_access_is_asked_nothing(driver: Driver):
    await look_up(driver)
    await driver.store.stop_all_but([CHAT + 1], at=driver.now)
    driver.advance(10)

    assert await claim(driver) == []


async def test_old_lookups_and_their_candidates_are_pruned(driver: Driver):
    await look_up(driver)
    await polled(driver, "wan", None)
    await polled(driver, "sora", None)
    lookup = await asked(driver)
    driver.advance(2 * HOUR_S)
    await driver.settle((await claim(driver))[0])

    while await driver.store.prune(older_than=driver.now, limit=100):
        pass

    assert await driver.store.lookup(lookup.id, CHAT) is None
    assert sum((await driver.store.stats()).tasks.values()) == 0


async def test_two_ids_of_a_message_are_found_at_different_providers(driver: Driver):
    request_ids = ("t1", "t2")
    await look_up(driver, ids=request_ids)
    for provider, known in (("wan", "t1"), ("sora", "t2")):
        for task in await driver.claim_tasks(provider):
            is_known = task.ref == TaskRef(provider=provider, external_id=known)
            after = driver.polled(task, RUNNING) if is_known else (replace(task, last_poll_at=driver.now), [])
            await driver.store.apply(*after)

    assert sorted(await watched(driver)) == ["sora t2", "wan t1"]


async def test_the_watches_of_four_ids_begin_together_as_a_batch(driver: Driver):
    ids = ("t1", "t2", "t3", "t4")
    await look_up(driver, ids=ids)
    await polled(driver, "wan", RUNNING)
    assert await watched(driver) == []
    await polled(driver, "sora", None)

    active = await driver.store.active_watches(CHAT)
    assert sorted(str(each.task.ref) for each in active) == [f"wan {each}" for each in ids]
    assert len({each.watch.batch_id for each in active} - {None}) == 1


async def test_an_id_of_one_provider_needs_no_poll_to_be_known(driver: Driver):
    await look_up(driver, "wan")

    assert await watched(driver) == ["wan t1"]
