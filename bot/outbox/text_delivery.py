"""Sends text messages: the cards of watches and batches, notices, the reasons of failures, reports."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from bot.forecast.estimates import Estimates
from bot.messages.markup import digest as digest_of
from bot.messages.view import OVERDUE, Forecast, View
from bot.messages.views import access, admin, batches, cards
from bot.messages.views import lookup as lookup_views
from bot.messages.views import results as result_views
from bot.outbox.results import Refusal, Refused, SendResult, Sent, as_retryable
from bot.outbox.sender import Sender
from storage.access import Greeting
from storage.lookups import LookupState
from storage.outbox import AccessDelivery, BatchDelivery, LookupDelivery, ReportDelivery, WatchDelivery
from storage.watches import Batch, Watch

NOT_EDITABLE = "not editable"  # stored instead of a digest: the card is no longer edited


class TextDelivery:
    """Renders and sends text messages; a lost response is retried, at the cost of a duplicate text.

    Only a report, a question and a greeting are not: the worker records its call, and never repeats it.
    """

    def __init__(
        self,
        sender: Sender,
        estimates: Estimates,
        *,
        clock: Callable[[], datetime],
        problem_of: Callable[[str], str | None] = lambda _provider: None,
        example_ids: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """problem_of: provider name → why its tasks can't be polled, or None; example_ids: by provider."""
        self._example_ids = example_ids
        self._problem_of = problem_of
        self.sender = sender
        self._estimates = estimates
        self._clock = clock

    async def card(self, out: WatchDelivery) -> tuple[SendResult, str]:
        """Send or edit the card of the watch; returns the result and the digest of the rendered card."""
        now = self._clock()
        problem = self._problem_of(out.task.ref.provider)
        forecast: Forecast | Literal["overdue"] | None = None
        if not problem and self._estimates.is_longer_than_usual(out.task, at=now):
            forecast = OVERDUE
        elif not problem and (eta := self._estimates.eta(out.task, at=now)):
            forecast = Forecast(low_s=eta.low_s, middle_s=eta.middle_s, high_s=eta.high_s)
        view = cards.card(out.watched, now=now, forecast=forecast, problem=problem)
        # The result notifies the chat, the card of a task that has ended need not.
        return await self._show_card(out, out.watch, view, is_silent=out.task.status.is_final)

    async def batch(self, out: BatchDelivery) -> tuple[SendResult, str]:
        """Send or edit the card of the batch; returns the result and the digest of the rendered card."""
        view = batches.card(out.batch, out.watched, problem_of=self._problem_of)
        is_over = batches.is_over(out.watched)
        result, digest = await self._show_card(out, out.batch, view, is_silent=is_over)
        if (
            out.settings.pins_batch_card
            and isinstance(result, Sent)
            and result.message_id != out.batch.card_message_id
        ):
            await self.sender.pin(out.delivery.chat_id, result.message_id)
        return result, digest

    async def _show_card(
        self, out: WatchDelivery | BatchDelivery, shown: Watch | Batch, view: View, *, is_silent: bool
    ) -> tuple[SendResult, str]:
        """Edit the message that shows the card so far, or send it as a reply to the request."""
        card, digest = shown.card_message_id, digest_of(view)
        if card is not None and shown.card_digest in {digest, NOT_EDITABLE}:
            return Sent(card, is_response=False), shown.card_digest or digest
        result: SendResult = Refused(Refusal.NO_MESSAGE, "not sent yet")
        if card is not None:
            result = await self.sender.edit(out.delivery.chat_id, card, view)
        if card is not None and isinstance(result, Refused) and result.reason is Refusal.NOT_EDITABLE:
            return Sent(card), NOT_EDITABLE
        if isinstance(result, Refused) and result.reason is Refusal.NO_MESSAGE:
            is_silent = is_silent or out.is_silent
            result = await self.sender.send(
                out.delivery.address, view, reply_to=shown.request_message_id, is_silent=is_silent
            )
        return as_retryable(result), digest

    async def notice(self, out: WatchDelivery) -> SendResult:
        """Send a notice of a problem that a person has to fix."""
        return as_retryable(await self._send(out, result_views.notice(out.watched)))

    async def failure(self, out: WatchDelivery) -> tuple[SendResult, int]:
        """Send the reason of a failure and of as many companions as fit; returns how many were included."""
        view, included = result_views.failures([each.watched for each in (out, *out.companions)])
        return as_retryable(await self._send(out, view)), included - 1

    async def once(self, out: ReportDelivery | AccessDelivery) -> SendResult:
        """Send a report, a question or a greeting; not idempotent, so never retry it after Unknown."""
        if isinstance(out, ReportDelivery):
            view = admin.gateway_changed(out.report)
        elif isinstance(out.content, Greeting):
            view = access.greeting(out.content, self._example_ids)
        else:
            view = access.question(out.content)
        return await self.sender.send(out.delivery.address, view, is_silent=out.is_silent)

    async def lookup(self, out: LookupDelivery) -> SendResult:
        """Ask for the provider, or edit the question to say what came of it."""
        view, message_id = lookup_views.lookup(out.lookup), out.lookup.question_message_id
        if message_id is not None:
            result = await self.sender.edit(out.delivery.chat_id, message_id, view)
            is_gone = isinstance(result, Refused) and result.reason in {
                Refusal.NO_MESSAGE,
                Refusal.NOT_EDITABLE,
            }
            return Sent(message_id) if is_gone else as_retryable(result)
        if out.lookup.state is not LookupState.ASKING:
            return Sent(0, is_response=False)  # the providers were found meanwhile
        return as_retryable(
            await self.sender.send(
                out.delivery.address, view, reply_to=out.lookup.message_id, is_silent=out.is_silent
            )
        )

    async def _send(self, out: WatchDelivery, view: View) -> SendResult:
        """Send a message to the watch's topic, as a reply."""
        return await self.sender.send(
            out.delivery.address, view, reply_to=out.reply_to, is_silent=out.is_silent
        )
