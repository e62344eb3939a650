"""Exactly-once delivery under crashes, lost responses and deleted messages at each step."""

import asyncio
import shutil
from collections.abc import Callable

import pytest

from bot.sandbox.faults import DROPPED, LOST_RESPONSE, Fault, html_response
from bot.sandbox.telegram.api_errors import error_response, flood
from storage.errors import LeadershipLost, StoreUnreachable
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, DeliveryHarness

FOREVER_S = 3600.0


async def settle_down(harness: DeliveryHarness) -> None:
    """Advance time until nothing is pending."""
    for _ in range(3):
        await harness.advance(FOREVER_S)
    assert (await harness.deliveries())[DeliveryState.PENDING] == 0


def announcements(harness: DeliveryHarness) -> int:
    return len([message for message in harness.bot_messages() if "on its way" in message.plain_text])


def delete_announcement(harness: DeliveryHarness) -> None:
    [announcement] = [message for message in harness.bot_messages() if "on its way" in message.plain_text]
    harness.telegram.delete_message(ANNA, announcement.message_id)


async def until_held(harness: DeliveryHarness, method: str, fault: Callable[[asyncio.Event], Fault]) -> None:
    """Deliver a result up to a call that hangs for ever."""
    task = harness.task()
    await harness.watch(task)
    await harness.idle()
    before = len(harness.calls(method))
    harness.telegram.fail(method, fault(asyncio.Event()))
    await harness.poll()
    await harness.until(lambda: len(harness.calls(method)) > before)


def not_executed(until: asyncio.Event) -> Fault:
    return Fault(until=until)


def executed(until: asyncio.Event) -> Fault:
    return Fault(until=until, execute=True)


async def test_a_crash_before_the_announcement_costs_nothing(harness: DeliveryHarness):
    await until_held(harness, "sendMessage", not_executed)

    await harness.crash()
    await settle_down(harness)

    assert harness.result().video


async def test_a_crash_before_the_announcement_is_stored_sends_a_second_one(harness: DeliveryHarness):
    await until_held(harness, "sendMessage", executed)
    await harness.until(lambda: announcements(harness) == 1)

    await harness.crash()
    await settle_down(harness)

    assert len(harness.telegram.videos(ANNA)) == 1
    assert announcements(harness) == 1
    assert len(harness.bot_messages()) == 3


@pytest.mark.parametrize("fault", [not_executed, executed])
async def test_a_crash_during_the_upload_costs_nothing(
    harness: DeliveryHarness, fault: Callable[[asyncio.Event], Fault]
):
    await until_held(harness, "editMessageMedia", fault)
    if fault is executed:
        await harness.until(lambda: harness.telegram.videos(ANNA))

    await harness.crash()
    await settle_down(harness)

    assert harness.result().video
    assert len(harness.bot_messages()) == 2


@pytest.mark.parametrize(
    "fault", [LOST_RESPONSE, DROPPED, html_response(502), Fault(execute=True, status=500)]
)
async def test_a_lost_response_to_the_upload_costs_nothing(harness: DeliveryHarness, fault: Fault):
    harness.telegram.fail("editMessageMedia", fault)

    await harness.deliver(harness.task())
    await settle_down(harness)

    assert harness.result().video
    assert len(harness.bot_messages()) == 2


@pytest.mark.parametrize("times", [1, 3])
async def test_a_lost_response_to_the_announcement_sends_a_second_one(harness: DeliveryHarness, times: int):
    task = harness.task()
    await harness.watch(task)
    await harness.idle()
    harness.telegram.fail("sendMessage", LOST_RESPONSE, times=times)
    await harness.poll()
    await harness.idle()
    await settle_down(harness)

    assert len(harness.telegram.videos(ANNA)) == 1
    assert announcements(harness) == times


async def test_an_unconfirmed_upload_that_succeeded_is_not_overwritten(harness: DeliveryHarness):
    task = harness.task()
    harness.telegram.fail("editMessageMedia", LOST_RESPONSE)
    await harness.deliver(task)
    for folder in harness.downloads.iterdir():
        shutil.rmtree(folder)
    harness.gateway.fail("files", Fault(status=404), times=None)
    harness.telegram.fail(
        "editMessageMedia", error_response(400, "Bad Request: WEBPAGE_CURL_FAILED"), times=None
    )
    await settle_down(harness)

    assert harness.result().video
    assert (await harness.deliveries())[DeliveryState.DEAD] == 0


# deleted announcements


async def until_announcement_deleted(harness: DeliveryHarness) -> None:
    """Deliver a result whose announcement is deleted before the video is downloaded."""
    gate = asyncio.Event()
    harness.gateway.fail("files", Fault(until=gate))
    await harness.watch_and_poll(harness.task())
    await harness.until(lambda: announcements(harness) == 1)
    delete_announcement(harness)
    gate.set()


async def test_after_a_deleted_announcement_the_video_is_a_new_message(harness: DeliveryHarness):
    await until_announcement_deleted(harness)
    await harness.idle()

    assert harness.result().video
    assert harness.result().history == ()
    assert harness.result().reply_to == 1
    assert len(harness.calls("sendVideo")) == 1


async def test_an_unconfirmed_call_is_stored_before_it_is_made(harness: DeliveryHarness):
    harness.telegram.fail("sendVideo", Fault(until=asyncio.Event()))
    await until_announcement_deleted(harness)
    await harness.until(lambda: harness.calls("sendVideo"))

    harness.clock.advance(100)
    [claimed] = [
        one
        for one in await harness.store.claim_deliveries(10, at=harness.clock(), lease_s=0)
        if one.delivery.kind == "result"
    ]

    assert claimed.delivery.unconfirmed_call_at is not None


async def assert_unknown_outcome(harness: DeliveryHarness) -> None:
    """Check that the card reports the unknown outcome and offers to send again."""
    card = harness.bot_messages()[0]
    assert "may or may not have arrived" in card.plain_text
    assert [button["text"] for button in card.buttons] == ["🔁 Send again"]
    assert (await harness.deliveries())[DeliveryState.UNKNOWN] == 1


async def test_a_new_video_is_not_repeated_after_a_lost_response(harness: DeliveryHarness):
    harness.telegram.fail("sendVideo", LOST_RESPONSE)
    await until_announcement_deleted(harness)
    await harness.idle()
    await settle_down(harness)

    assert len(harness.telegram.videos(ANNA)) == 1
    await assert_unknown_outcome(harness)


@pytest.mark.parametrize("fault", [not_executed, executed])
async def test_a_new_video_is_not_repeated_after_a_crash(
    harness: DeliveryHarness, fault: Callable[[asyncio.Event], Fault]
):
    harness.telegram.fail("sendVideo", fault(asyncio.Event()))
    await until_announcement_deleted(harness)
    await harness.until(lambda: harness.calls("sendVideo"))
    if fault is executed:
        await harness.until(lambda: harness.telegram.videos(ANNA))
    before = len(harness.telegram.videos(ANNA))

    await harness.crash()
    await settle_down(harness)

    assert len(harness.telegram.videos(ANNA)) == before
    await assert_unknown_outcome(harness)


@pytest.mark.parametrize("times_pressed", [1, 2])
async def test_send_again_sends_once(harness: DeliveryHarness, times_pressed: int):
    harness.telegram.fail("sendVideo", DROPPED)
    await until_announcement_deleted(harness)
    await harness.idle()
    assert harness.telegram.videos(ANNA) == []
    card = harness.bot_messages()[0]

    begun = [await harness.press_again(card) for _ in range(times_pressed)]
    await settle_down(harness)

    assert begun == [True, False][:times_pressed]
    assert len(harness.telegram.videos(ANNA)) == 1
    card = harness.bot_messages()[0]
    assert card.buttons == []
    assert "may or may not" not in card.plain_text


@pytest.mark.parametrize("fault", [flood(30), error_response(400, "Bad Request: CHAT_SEND_VIDEOS_FORBIDDEN")])
async def test_a_refused_new_video_is_not_an_unknown_outcome(harness: DeliveryHarness, fault: Fault):
    harness.telegram.fail("sendVideo", fault)
    await until_announcement_deleted(harness)
    await harness.idle()
    await settle_down(harness)

    result = harness.result()
    assert result.video or result.document
    assert (await harness.deliveries())[DeliveryState.UNKNOWN] == 0


async def test_after_a_deleted_announcement_the_link_is_a_new_message(harness: DeliveryHarness):
    gate = asyncio.Event()
    harness.gateway.fail("files", Fault(until=gate, status=404))
    harness.gateway.fail("files", Fault(status=404), times=None)
    await harness.watch_and_poll(harness.task())
    await harness.until(lambda: announcements(harness) == 1)
    delete_announcement(harness)
    gate.set()
    await harness.idle()

    await harness.advance(240)
    assert "has expired or never worked" in harness.result().plain_text
    assert harness.result().reply_to == 1


def refuse(harness: DeliveryHarness, method: str) -> None:
    """Let a write fail as if another process led; a restart ends that."""

    async def lost(*_: object, **__: object) -> None:
        raise LeadershipLost("Another process leads.")

    setattr(harness.store, method, lost)


async def test_an_announcement_whose_id_the_end_of_a_term_keeps_from_being_stored_is_removed(
    harness: DeliveryHarness,
):
    await harness.watch(harness.task())
    await harness.idle()
    refuse(harness, "note_message")
    await harness.poll()
    await harness.until(lambda: harness.calls("deleteMessage"))
    assert announcements(harness) == 0

    await harness.crash()
    await settle_down(harness)
    assert len(harness.telegram.videos(ANNA)) == 1
    assert len(harness.bot_messages()) == 2


@pytest.mark.parametrize("fails", [None, "nsfw"])
async def test_a_text_that_the_next_leader_sends_again_is_removed(
    harness: DeliveryHarness, fails: str | None
):
    task = harness.task(fails=fails)
    if fails:
        await harness.watch(task)
        await harness.idle()
        refuse(harness, "settle")
        await harness.poll()
    else:
        refuse(harness, "settle")
        await harness.watch(task)
    await harness.until(lambda: harness.calls("deleteMessage"))
    assert len(harness.bot_messages()) == bool(fails)

    await harness.crash()
    await settle_down(harness)
    assert len(harness.bot_messages()) == 1 + bool(fails)


async def test_a_video_stays_though_its_delivery_could_not_be_settled(harness: DeliveryHarness):
    await harness.watch(harness.task())
    await harness.idle()
    refuse(harness, "settle")
    await harness.poll()
    await harness.until(lambda: harness.telegram.videos(ANNA))

    await harness.crash()
    await settle_down(harness)
    assert harness.calls("deleteMessage") == []
    assert harness.result().video


async def test_a_write_whose_outcome_is_unknown_leaves_the_announcement(harness: DeliveryHarness):
    await harness.watch(harness.task())
    await harness.idle()
    note_message, is_stored = harness.store.note_message, asyncio.Event()

    async def stored_but_unanswered(delivery_id: int, message_id: int) -> None:
        await note_message(delivery_id, message_id)
        is_stored.set()
        raise StoreUnreachable("The connection was closed.")

    harness.store.note_message = stored_but_unanswered  # type: ignore[method-assign]
    await harness.poll()
    await harness.until(is_stored.is_set)

    await harness.crash()
    await settle_down(harness)
    assert harness.calls("deleteMessage") == []
    assert harness.result().video
