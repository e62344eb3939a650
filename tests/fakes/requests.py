"""What users ask for: watches and lookups."""

from storage.lookups import LookupRequest
from storage.models import TaskRef
from storage.watches import WatchRequest

CHAT = 100


def watch_request(
    external_id: str = "t1",
    *,
    provider: str = "wan",
    chat_id: int = CHAT,
    thread_id: int | None = None,
    message_id: int | None = 7,
    user_id: int | None = 42,
) -> WatchRequest:
    """A /watch request."""
    return WatchRequest(
        ref=TaskRef(provider=provider, external_id=external_id),
        chat_id=chat_id,
        thread_id=thread_id,
        message_id=message_id,
        user_id=user_id,
        language="en",
    )


def lookup_request(
    *ids: str, providers: tuple[str, ...] = ("wan", "sora"), chat_id: int = CHAT, message_id: int = 7
) -> LookupRequest:
    """A request for ids whose provider is to be found; without any for t1."""
    return LookupRequest(
        candidates=dict.fromkeys(ids or ("t1",), providers),
        chat_id=chat_id,
        thread_id=None,
        message_id=message_id,
        user_id=42,
        language="en",
    )
