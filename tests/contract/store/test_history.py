"""What ended in a chat, and its videos sent again."""

from dataclasses import replace

import pytest

from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.outbox import CopyRequest
from storage.store import Store
from storage.watches import Ending
from tests.contract.store.driver import CHAT, Driver
from tests.fakes.requests import watch_request

COPY, DOCUMENT, RESULT = DeliveryKind.COPY, DeliveryKind.DOCUMENT, DeliveryKind.RESULT


async def ended(
    driver: Driver,
    external_id: str,
    status: TaskStatus = TaskStatus.SUCCEEDED,
    *,
    provider: str = "wan",
    state: DeliveryState = DeliveryState.SENT,
) -> int:
    """A watch whose result was settled so; a second has passed."""
    watched = await driver.watch(external_id, provider=provider)
    await driver.poll(watched.task.id, status)
    for one in await driver.claim():
        await driver.settle(one, state if one.delivery.kind is RESULT else DeliveryState.SENT)
    driver.advance(1)
    return watched.watch.id


async def ids(
    store: Store,
    *,
    ending: Ending | None = None,
    provider: str | None = None,
    offset: int = 0,
    limit: int = 9,
    chat_id: int = CHAT,
) -> list[str]:
    found = await store.history(chat_id, ending=ending, provider=provider, offset=offset, limit=limit)
    return [each.task.ref.external_id for each in found]


async def test_what_ended_here_comes_newest_first_in_pages(driver: Driver):
    for external_id in ("a", "b", "c"):
        await ended(driver, external_id)
    await driver.watch("active")

    assert await ids(driver.store) == ["c", "b", "a"]
    assert await ids(driver.store, limit=2) == ["c", "b"]
    assert await ids(driver.store, limit=2, offset=2) == ["a"]
    assert await ids(driver.store, chat_id=5) == []


async def test_it_is_filtered_by_ending_and_provider(driver: Driver):
    await ended(driver, "done")
    await ended(driver, "veo", provider="veo")
    await ended(driver, "failed", TaskStatus.FAILED)
    await ended(driver, "expired", TaskStatus.EXPIRED)
    stopped = await driver.watch("stopped")
    await driver.store.stop_watch(stopped.watch.id, at=driver.now)

    assert await ids(driver.store, ending=Ending.DONE) == ["veo", "done"]
    assert await ids(driver.store, ending=Ending.FAILED) == ["expired", "failed"]
    assert await ids(driver.store, ending=Ending.STOPPED) == ["stopped"]
    assert await ids(driver.store, provider="veo") == ["veo"]
    assert await ids(driver.store, ending=Ending.FAILED, provider="veo") == []


async def test_it_knows_who_asked_and_when_it_ended(driver: Driver):
    request = replace(watch_request("a", chat_id=CHAT), user_name="Anna")
    watched = await driver.store.add_watch(request, at=driver.now)
    driver.advance(60)
    await driver.store.stop_watch(watched.watch.id, at=driver.now)

    [found] = await driver.store.history(CHAT, ending=None, provider=None, offset=0, limit=1)
    assert (found.watch.user_name, found.watch.ended_at) == ("Anna", driver.now)


async def test_an_ended_task_that_another_chat_has_started_again_is_shown_as_it_was_reported(driver: Driver):
    await ended(driver, "a", TaskStatus.EXPIRED)
    await driver.watch("a", chat_id=5)

    [found] = await driver.store.history(CHAT, ending=None, provider=None, offset=0, limit=1)
    assert found.task.status is TaskStatus.EXPIRED


def request(watch_id: int, press: str, kind: DeliveryKind = COPY) -> CopyRequest:
    return CopyRequest(watch_id=watch_id, chat_id=CHAT, kind=kind, press=press)


@pytest.mark.parametrize("kind", [COPY, DOCUMENT])
async def test_a_press_sends_a_video_again_once_however_often_it_is_handled(
    driver: Driver, kind: DeliveryKind
):
    watch_id = await ended(driver, "a")

    assert await driver.store.send_copy(request(watch_id, "p1", kind), at=driver.now)
    assert await driver.store.send_copy(request(watch_id, "p2", kind), at=driver.now)  # while it is unsent
    assert await driver.send() == [(kind, watch_id)]
    assert await driver.store.send_copy(request(watch_id, "p1", kind), at=driver.now)
    assert await driver.store.send_copy(request(watch_id, "p2", kind), at=driver.now)  # a double press
    driver.advance(9)
    assert await driver.store.send_copy(request(watch_id, "p2", kind), at=driver.now)
    assert await driver.send() == []

    driver.advance(1)
    assert await driver.store.send_copy(request(watch_id, "p3", kind), at=driver.now)
    assert await driver.send() == [(kind, watch_id)]
    [found] = await driver.store.history(CHAT, ending=None, provider=None, offset=0, limit=1)
    assert found.watch.result is DeliveryState.SENT


async def test_there_is_nothing_to_send_again_without_a_video_that_was_sent_here(driver: Driver):
    failed = await ended(driver, "failed", TaskStatus.FAILED)
    active = await driver.watch("active")
    await driver.send()

    for watch_id in (failed, active.watch.id, 999):
        assert not await driver.store.send_copy(request(watch_id, "p"), at=driver.now)
    foreign = replace(request(await ended(driver, "a"), "p"), chat_id=5)
    assert not await driver.store.send_copy(foreign, at=driver.now)
    assert await driver.send() == []


async def test_a_result_that_did_not_arrive_is_sent_as_the_result(driver: Driver):
    watch_id = await ended(driver, "a", state=DeliveryState.DEAD)

    assert await driver.store.send_copy(request(watch_id, "p"), at=driver.now)

    assert (RESULT, watch_id) in await driver.send()


async def test_a_copy_is_not_sent_once_the_chat_is_no_longer_allowed(driver: Driver):
    watch_id = await ended(driver, "a")
    await driver.store.send_copy(request(watch_id, "p"), at=driver.now)

    await driver.store.stop_all_but([], at=driver.now)

    assert await driver.send() == []
