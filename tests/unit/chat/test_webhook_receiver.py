"""When an update of the webhook is confirmed, and what Telegram shall repeat."""

import asyncio
import itertools

import pytest
from telegram import Update

from bot.bot_api.results import Unexpected
from bot.chat.dispatcher import HeldUpdates
from bot.chat.webhook_receiver import IN_PROGRESS, WebhookReceiver
from storage.errors import StoreError, StoreUnavailable
from tests.fakes import updates
from tests.unit.chat.update_harness import ANNA, BORIS, UpdateHarness


class WebhookHarness:
    """A receiver that accepts updates."""

    def __init__(self, harness: UpdateHarness, *, response_s: float = 60.0, limit_s: float = 60.0) -> None:
        self.harness = harness
        self.held = HeldUpdates(can_postpone=True)
        self.dispatcher = harness.dispatcher(self.held, limit_s=limit_s)
        self.store_errors: list[StoreError] = []  # of what is done before a handler
        self.prepared: list[int] = []
        self.receiver = WebhookReceiver(
            harness.application.bot,
            self.dispatcher,
            prepare=self._prepare,
            response_s=response_s,
        )
        self._ids = itertools.count(1)

    async def send(self, text: str, *, user: int = ANNA, id_: int | None = None) -> float | None:
        """Telegram sends a message; the response."""
        return await self.receiver.receive(
            {"update_id": id_ or next(self._ids), "message": updates.private(user, text)}
        )

    def sending(self, text: str, *, user: int = ANNA, id_: int | None = None) -> "asyncio.Task[float | None]":
        """The same, without waiting for the response."""
        return asyncio.create_task(self.send(text, user=user, id_=id_))

    async def end(self) -> None:
        """Stop, and see that nothing is kept."""
        await self.receiver.stop(1.0)

    async def _prepare(self, update: Update) -> None:
        if self.store_errors:
            raise self.store_errors.pop()
        self.prepared.append(update.update_id)


@pytest.fixture
async def webhook(update_harness: UpdateHarness):
    webhook = WebhookHarness(update_harness)
    webhook.receiver.open()
    yield webhook
    for gate in update_harness.gates.values():
        gate.set()
    await webhook.end()


async def test_an_update_that_writes_is_confirmed_when_its_handler_is_through(webhook: WebhookHarness):
    gate = webhook.harness.hold("/watch a")
    response = webhook.sending("/watch a")
    await webhook.harness.until_begun("/watch a")
    await asyncio.sleep(0.02)
    assert not response.done()
    assert webhook.receiver.take_arrival()
    assert not webhook.receiver.take_arrival()
    gate.set()
    assert await response is None


async def test_an_update_whose_changes_are_on_disk_is_confirmed_before_its_handler_ends(
    webhook: WebhookHarness,
):
    webhook.harness.hold("/watch a")
    response = webhook.sending("/watch a", id_=5)
    await webhook.harness.until_begun("/watch a")
    webhook.held.release(5)
    assert await response is None


async def test_updates_that_write_are_handled_in_the_order_of_their_arrival_per_chat(webhook: WebhookHarness):
    gate = webhook.harness.hold("/watch a")
    first, second, other = (
        webhook.sending("/watch a"),
        webhook.sending("/watch b"),
        webhook.sending("/watch c", user=BORIS),
    )
    assert await other is None
    await webhook.harness.until_begun("/watch a", "/watch c")
    gate.set()
    assert [await first, await second] == [None, None]
    assert webhook.harness.finished == ["/watch c", "/watch a", "/watch b"]


async def test_an_update_that_arrives_again_is_handled_once(webhook: WebhookHarness):
    gate = webhook.harness.hold("/watch a")
    first = webhook.sending("/watch a", id_=5)
    await webhook.harness.until_begun("/watch a")
    again = webhook.sending("/watch a", id_=5)
    await asyncio.sleep(0.02)
    assert not again.done()
    gate.set()
    assert [await first, await again, await webhook.send("/watch a", id_=5)] == [None, None, None]
    assert webhook.harness.begun == ["/watch a"]


async def test_a_handler_continues_when_its_connection_is_lost(webhook: WebhookHarness):
    gate = webhook.harness.hold("/watch a")
    lost = webhook.sending("/watch a", id_=5)
    await webhook.harness.until_begun("/watch a")
    lost.cancel()
    gate.set()
    assert await webhook.send("/watch a", id_=5) is None
    assert webhook.harness.finished == ["/watch a"]


async def test_an_update_that_takes_too_long_is_repeated_and_not_handled_again(update_harness: UpdateHarness):
    webhook = WebhookHarness(update_harness, response_s=0.05)
    webhook.receiver.open()
    gate = webhook.harness.hold("/watch a")
    assert await webhook.send("/watch a", id_=5)
    gate.set()
    await webhook.harness.until_finished("/watch a")
    assert await webhook.send("/watch a", id_=5) is None
    assert webhook.harness.begun == ["/watch a"]
    await webhook.end()


async def test_an_update_whose_handler_could_not_write_is_repeated_and_handled_again(webhook: WebhookHarness):
    gate = webhook.harness.hold("/watch a")
    response = webhook.sending("/watch a", id_=5)
    await webhook.harness.until_begun("/watch a")
    assert webhook.held.postpone(5)
    gate.set()
    assert await response
    assert await webhook.send("/watch a", id_=5) is None
    assert webhook.harness.begun == ["/watch a"] * 2


async def test_before_the_start_and_after_the_stop_updates_are_to_be_repeated(update_harness: UpdateHarness):
    webhook = WebhookHarness(update_harness)
    assert await webhook.receiver.receive({"update_id": 1, "message": updates.private(ANNA, "/watch a")})
    webhook.receiver.open()
    gate = webhook.harness.hold("/watch b")
    begun = webhook.sending("/watch b")
    await webhook.harness.until_begun("/watch b")
    stopping = asyncio.create_task(webhook.receiver.stop(5.0))
    await asyncio.sleep(0)
    assert await webhook.send("/watch c")
    gate.set()
    assert await begun is None
    await stopping
    await webhook.end()


async def test_a_handler_that_does_not_end_in_time_at_the_stop_is_cancelled_and_its_update_repeated(
    update_harness: UpdateHarness,
):
    webhook = WebhookHarness(update_harness)
    webhook.receiver.open()
    webhook.harness.hold("/watch a")
    responses = [webhook.sending("/watch a"), webhook.sending("/watch b")]
    await webhook.harness.until_begun("/watch a")
    async with asyncio.timeout(30):
        await webhook.receiver.stop(0.05)
        assert all([await response for response in responses])
    await webhook.end()


async def test_an_update_is_prepared_before_its_handler_and_repeated_if_the_store_fails(
    webhook: WebhookHarness,
):
    webhook.store_errors.append(StoreUnavailable("away"))
    assert await webhook.send("/watch a", id_=5)
    assert webhook.harness.begun == []
    assert await webhook.send("/watch a", id_=5) is None
    assert (webhook.prepared, webhook.harness.begun) == ([5], ["/watch a"])


async def test_with_too_many_in_progress_more_are_to_be_repeated(webhook: WebhookHarness):
    gate = webhook.harness.hold("/watch a")
    responses = [webhook.sending("/watch a") for _ in range(IN_PROGRESS)]
    await asyncio.sleep(0.05)
    assert await webhook.send("/watch b", user=BORIS)
    gate.set()
    assert set(await asyncio.gather(*responses)) == {None}
    assert await webhook.send("/watch b", user=BORIS) is None


async def test_a_malformed_update_is_confirmed_and_what_is_none_is_refused(
    webhook: WebhookHarness, caplog: pytest.LogCaptureFixture
):
    assert await webhook.receiver.receive({"update_id": 5, "message": {"text": 3}}) is None
    assert await webhook.receiver.receive({"update_id": 6, "poll_of_the_future": {}}) is None
    webhook.harness.unreadable.add("/watch a")
    assert await webhook.send("/watch a", id_=7) is None
    invalid: list[object] = [{}, [], "text", {"update_id": "5"}, {"update_id": 2**70}]
    for raw in invalid:
        with pytest.raises(Unexpected):
            await webhook.receiver.receive(raw)
    assert set(webhook.harness.begun) <= {""}
