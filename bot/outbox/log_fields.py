"""The fields of a log record about a delivery."""

from storage.models import ClaimedDelivery


def log_fields(out: ClaimedDelivery, action: str, *, cause: str | None = None) -> dict[str, object]:
    """For the `extra` of a log call; action: a machine's name of what happened."""
    return {
        "action": action,
        "delivery_id": out.delivery.id,
        "task_id": out.task.id,
        "provider": out.task.ref.provider,
        "chat_id": out.watch.chat_id,
        "cause": cause,
    }
