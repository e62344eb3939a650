"""The log lines about deliveries: what arrived in a chat, in which form and how late; what did not."""

import logging
from datetime import datetime

from bot.log_lines import spelled
from bot.logs import log_fields
from bot.outbox.results import LinkOnly, Refused, SendResult, Sent, Transient, Unknown
from storage.models import DeliveryKind, DeliveryState
from storage.outbox import ClaimedDelivery, Settlement, WatchDelivery

log = logging.getLogger(__name__)

_ABOUT_A_TASK = {
    DeliveryKind.CARD: "the card of",
    DeliveryKind.NOTICE: "the notice about",
    DeliveryKind.COPY: "the copy of the video of",
    DeliveryKind.DOCUMENT: "the original file of",
}
_OTHERS = {
    DeliveryKind.REPORT: "the report about a gateway",
    DeliveryKind.QUESTION: "the question about a chat",
    DeliveryKind.LOOKUP: "the question about a provider",
    DeliveryKind.BATCH: "the card of a batch",
}
# What shows only the present state is no loss: the next state is shown again.
_NO_LOSS = {DeliveryKind.CARD, DeliveryKind.BATCH, DeliveryKind.LOOKUP, DeliveryKind.GREETING}


def what(out: ClaimedDelivery) -> str:
    """A delivery as a sentence names it."""
    kind = out.delivery.kind
    if not isinstance(out, WatchDelivery):
        return _OTHERS.get(kind, f"the {kind}")
    result = "the video of" if out.is_video else "the result of"
    return f"{_ABOUT_A_TASK.get(kind, result)} {out.task.ref}"


def delay_s(out: WatchDelivery, *, at: datetime) -> float:
    """Seconds from the task's end to its message.

    The end is the gateway's, with its clock skew corrected; if it sends none, or one after the poll that
    found it, that poll. A chat that requested the video later has waited since its command only.
    """
    found_at = out.task.snapshot_at or at
    finished_at = out.task.snapshot.finished_at if out.task.snapshot else None
    ended_at = min(finished_at, found_at) if finished_at else found_at
    return max(0.0, (at - max(ended_at, out.watch.created_at)).total_seconds())


def log_settled(out: ClaimedDelivery, result: SendResult, settlement: Settlement) -> None:
    """Log the outcome of an attempt: facts about videos, losses, and the first refusal by a chat."""
    chat_id, is_state = out.delivery.chat_id, out.delivery.kind in _NO_LOSS
    match result, settlement.state:
        case Sent() | LinkOnly(), _:
            if isinstance(out, WatchDelivery) and out.carries_file:
                _log_delivered(out, result, at=settlement.at)
        case Unknown(why=why), _:
            log.warning(
                "It is not known whether %s reached chat %d, so it is not sent again by itself: %s",
                what(out),
                chat_id,
                why,
                extra=log_fields(out, "delivery_unconfirmed"),
            )
        case _, DeliveryState.DEAD:
            log.log(
                logging.DEBUG if is_state else logging.ERROR,
                "Gave up sending %s to chat %d: %s",
                what(out),
                chat_id,
                _why(result),
                extra=log_fields(out, "delivery_failed", cause=_why(result)),
            )
        case Refused(reason=reason, why=why), _ if out.delivery.attempts == 1 and not is_state:
            log.warning(
                "Chat %d refuses %s, which is tried again for some hours: %s",
                chat_id,
                what(out),
                why,
                extra=log_fields(out, "chat_refuses", cause=reason),
            )
        case _:
            log.debug(
                "Retrying %s for chat %d: %s",
                what(out),
                chat_id,
                _why(result),
                extra=log_fields(out, "delivery_retry"),
            )


def _log_delivered(out: WatchDelivery, result: Sent | LinkOnly, *, at: datetime) -> None:
    file = result.file if isinstance(result, Sent) else None
    size = file.size if file else None
    late_s = round(delay_s(out, at=at), 1) if out.is_video else None
    cause = result.why if isinstance(result, LinkOnly) else None
    form = "link" if cause else "file" if isinstance(result, Sent) and result.is_document else "video"
    details = [
        f"as a {form}" + (f" ({cause})" if cause else ""),
        f"{size / 1e6:.3g} MB" if size else "",
        f"{spelled(late_s)} after the task's end" if late_s is not None else "",
    ]
    log.info(
        "Delivered %s to chat %d: %s",
        what(out),
        out.delivery.chat_id,
        ", ".join(filter(None, details)),
        extra=log_fields(out, "delivered", form=form, size=size, late_s=late_s, cause=cause),
    )


def _why(result: SendResult) -> str:
    return result.why if isinstance(result, Refused | Transient) else str(result)
