"""Counts the attempts to deliver, and measures how soon videos arrive."""

from bot.metrics import DeliveryOutcome, Metrics
from bot.outbox.results import LinkOnly, RetryAfter, SendResult, Transient
from storage.models import DeliveryState
from storage.outbox import ClaimedDelivery, Settlement, WatchDelivery


def record(metrics: Metrics, out: ClaimedDelivery, result: SendResult, settlement: Settlement) -> None:
    """Record a settled attempt."""
    outcome = _outcome(result, settlement.state)
    metrics.delivery_attempts.labels(out.delivery.kind, outcome).inc()
    if isinstance(out, WatchDelivery) and out.is_video and outcome is DeliveryOutcome.SENT:
        metrics.video_delay.labels(out.task.ref.provider).observe(_delay_s(out, settlement))


def _outcome(result: SendResult, state: DeliveryState) -> DeliveryOutcome:
    match result, state:
        case _, DeliveryState.SENT:
            return DeliveryOutcome.SENT
        case _, DeliveryState.UNKNOWN:
            return DeliveryOutcome.UNKNOWN
        case LinkOnly(), _:
            return DeliveryOutcome.LINK
        case _, DeliveryState.DEAD:
            return DeliveryOutcome.FAILED
        case RetryAfter(), _:
            return DeliveryOutcome.THROTTLED
        case Transient(is_unreachable=True), _:
            return DeliveryOutcome.UNREACHABLE
        case _:
            return DeliveryOutcome.RETRIED


def _delay_s(out: WatchDelivery, settlement: Settlement) -> float:
    """Seconds from the task's end to the settlement.

    The end is the gateway's, with its clock skew corrected; if it sends none, or one after the poll that
    found it, the time of that poll. A chat that requested the video later has waited since its command only.
    """
    found_at = out.task.snapshot_at or settlement.at
    finished_at = out.task.snapshot.finished_at if out.task.snapshot else None
    ended_at = min(finished_at, found_at) if finished_at else found_at
    return max(0.0, (settlement.at - max(ended_at, out.watch.created_at)).total_seconds())
