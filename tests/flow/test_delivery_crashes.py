"""Exactly once, whatever breaks: crashes, lost answers and deleted messages at each step of the way."""

import asyncio
import shutil
from collections.abc import Callable

import pytest

from bot.sandbox.faults import DROPPED, LOST_ANSWER, Fault, html_answer
from bot.sandbox.telegram.api_errors import flood, refusal
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, DeliveryHarness

FOREVER_S = 3600.0


async def settle_down(office: DeliveryHarness) -> None:
    """Let all that waits have its turn."""
    for _ in range(3):
        await office.advance(FOREVER_S)
    assert (await office.deliveries())[DeliveryState.PENDING] == 0


def announcements(office: DeliveryHarness) -> int:
    return len([message for message in office.heard() if "on its way" in message.words])


def delete_announcement(office: DeliveryHarness) -> None:
    [announcement] = [message for message in office.heard() if "on its way" in message.words]
    office.telegram.delete_message(ANNA, announcement.message_id)


async def until_held(office: DeliveryHarness, method: str, fault: Callable[[asyncio.Event], Fault]) -> None:
    """Have a result on its way, up to the point where a call hangs that is not going to end."""
    task = office.task()
    await office.watch(task)
    await office.idle()
    before = len(office.calls(method))
    office.telegram.fail(method, fault(asyncio.Event()))
    await office.poll()
    await office.until(lambda: len(office.calls(method)) > before)


def not_carried_out(until: asyncio.Event) -> Fault:
    return Fault(until=until)


def carried_out(until: asyncio.Event) -> Fault:
    return Fault(until=until, execute=True)


async def test_a_crash_before_the_announcement_costs_nothing(office: DeliveryHarness):
    await until_held(office, "sendMessage", not_carried_out)

    await office.crash()
    await settle_down(office)

    assert office.result().video


async def test_a_crash_before_the_announcement_is_stored_sends_a_second_one(office: DeliveryHarness):
    await until_held(office, "sendMessage", carried_out)
    await office.until(lambda: announcements(office) == 1)

    await office.crash()
    await settle_down(office)

    assert len(office.telegram.videos(ANNA)) == 1
    assert announcements(office) == 1
    assert len(office.heard()) == 3


@pytest.mark.parametrize("fault", [not_carried_out, carried_out])
async def test_a_crash_during_the_upload_costs_nothing(
    office: DeliveryHarness, fault: Callable[[asyncio.Event], Fault]
):
    await until_held(office, "editMessageMedia", fault)
    if fault is carried_out:
        await office.until(lambda: office.telegram.videos(ANNA))

    await office.crash()
    await settle_down(office)

    assert office.result().video
    assert len(office.heard()) == 2


@pytest.mark.parametrize("fault", [LOST_ANSWER, DROPPED, html_answer(502), Fault(execute=True, status=500)])
async def test_a_lost_response_to_the_upload_costs_nothing(office: DeliveryHarness, fault: Fault):
    office.telegram.fail("editMessageMedia", fault)

    await office.deliver(office.task())
    await settle_down(office)

    assert office.result().video
    assert len(office.heard()) == 2


@pytest.mark.parametrize("times", [1, 3])
async def test_a_lost_response_to_the_announcement_sends_a_second_one(office: DeliveryHarness, times: int):
    task = office.task()
    await office.watch(task)
    await office.idle()
    office.telegram.fail("sendMessage", LOST_ANSWER, times=times)
    await office.poll()
    await office.idle()
    await settle_down(office)

    assert len(office.telegram.videos(ANNA)) == 1
    assert announcements(office) == times


async def test_an_unconfirmed_upload_that_succeeded_is_not_overwritten(office: DeliveryHarness):
    task = office.task()
    office.telegram.fail("editMessageMedia", LOST_ANSWER)
    await office.deliver(task)
    for folder in office.downloads.iterdir():
        shutil.rmtree(folder)
    office.gateway.fail("files", Fault(status=404), times=None)
    office.telegram.fail("editMessageMedia", refusal(400, "Bad Request: WEBPAGE_CURL_FAILED"), times=None)
    await settle_down(office)

    assert office.result().video
    assert (await office.deliveries())[DeliveryState.DEAD] == 0


# the announcement is gone


async def until_only_a_new_message_will_do(office: DeliveryHarness) -> None:
    """Have a result on its way whose announcement is deleted before the video is there."""
    gate = asyncio.Event()
    office.gateway.fail("files", Fault(until=gate))
    await office.ask(office.task())
    await office.until(lambda: announcements(office) == 1)
    delete_announcement(office)
    gate.set()


async def test_after_a_deleted_announcement_the_video_is_a_new_message(office: DeliveryHarness):
    await until_only_a_new_message_will_do(office)
    await office.idle()

    assert office.result().video
    assert office.result().history == ()
    assert office.result().reply_to == 1
    assert len(office.calls("sendVideo")) == 1


async def test_an_unconfirmed_call_is_stored_before_it_is_made(office: DeliveryHarness):
    office.telegram.fail("sendVideo", Fault(until=asyncio.Event()))
    await until_only_a_new_message_will_do(office)
    await office.until(lambda: office.calls("sendVideo"))

    office.clock.advance(100)
    [claimed] = [
        one
        for one in await office.store.claim_deliveries(10, at=office.clock(), lease_s=0)
        if one.delivery.kind == "result"
    ]

    assert claimed.delivery.unconfirmed_call_at is not None


async def doubtful(office: DeliveryHarness) -> None:
    """The card tells that nobody knows, and offers to send again."""
    card = office.heard()[0]
    assert "may or may not have arrived" in card.words
    assert [button["text"] for button in card.buttons] == ["🔁 Send again"]
    assert (await office.deliveries())[DeliveryState.UNKNOWN] == 1


async def test_a_new_video_is_not_repeated_after_a_lost_response(office: DeliveryHarness):
    office.telegram.fail("sendVideo", LOST_ANSWER)
    await until_only_a_new_message_will_do(office)
    await office.idle()
    await settle_down(office)

    assert len(office.telegram.videos(ANNA)) == 1
    await doubtful(office)


@pytest.mark.parametrize("fault", [not_carried_out, carried_out])
async def test_a_new_video_is_not_repeated_after_a_crash(
    office: DeliveryHarness, fault: Callable[[asyncio.Event], Fault]
):
    office.telegram.fail("sendVideo", fault(asyncio.Event()))
    await until_only_a_new_message_will_do(office)
    await office.until(lambda: office.calls("sendVideo"))
    if fault is carried_out:
        await office.until(lambda: office.telegram.videos(ANNA))
    before = len(office.telegram.videos(ANNA))

    await office.crash()
    await settle_down(office)

    assert len(office.telegram.videos(ANNA)) == before
    await doubtful(office)


@pytest.mark.parametrize("times_pressed", [1, 2])
async def test_send_again_sends_once(office: DeliveryHarness, times_pressed: int):
    office.telegram.fail("sendVideo", DROPPED)
    await until_only_a_new_message_will_do(office)
    await office.idle()
    assert office.telegram.videos(ANNA) == []
    card = office.heard()[0]

    begun = [await office.press_again(card) for _ in range(times_pressed)]
    await settle_down(office)

    assert begun == [True, False][:times_pressed]
    assert len(office.telegram.videos(ANNA)) == 1
    card = office.heard()[0]
    assert card.buttons == []
    assert "may or may not" not in card.words


@pytest.mark.parametrize("fault", [flood(30), refusal(400, "Bad Request: CHAT_SEND_VIDEOS_FORBIDDEN")])
async def test_a_refused_new_video_is_not_an_unknown_outcome(office: DeliveryHarness, fault: Fault):
    office.telegram.fail("sendVideo", fault)
    await until_only_a_new_message_will_do(office)
    await office.idle()
    await settle_down(office)

    result = office.result()
    assert result.video or result.document
    assert (await office.deliveries())[DeliveryState.UNKNOWN] == 0


async def test_after_a_deleted_announcement_the_link_is_a_new_message(office: DeliveryHarness):
    gate = asyncio.Event()
    office.gateway.fail("files", Fault(until=gate, status=404))
    office.gateway.fail("files", Fault(status=404), times=None)
    await office.ask(office.task())
    await office.until(lambda: announcements(office) == 1)
    delete_announcement(office)
    gate.set()
    await office.idle()

    await office.advance(240)
    assert "has expired or never worked" in office.result().words
    assert office.result().reply_to == 1
