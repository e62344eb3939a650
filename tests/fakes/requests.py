"""Watch requests."""

from storage.models import TaskRef
from storage.watches import WatchRequest

CHAT = 100


def watch_request(
    external_id: str = "t1",
    *,
    provider: str = "wan",
    chat_id: int = CHAT,
    thread_id: int | None = None,
    message_id: int = 7,
) -> WatchRequest:
    """A /watch request."""
    return WatchRequest(
        ref=TaskRef(provider=provider, external_id=external_id),
        chat_id=chat_id,
        thread_id=thread_id,
        message_id=message_id,
        user_id=42,
        language="en",
    )
