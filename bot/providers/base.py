"""The Provider protocol and its errors.

ProviderError
├── Unavailable   no response, or a 5xx: retry
├── RateLimited   a 429, or an error body that means one: retry after retry_after_s
├── AuthFailed    the key, its permissions or its credit are rejected, by a 401, 402 or 403 with JSON or by an
│                 error body, or there is no key: a person must act
├── TaskMissing   the gateway does not know the id, or has no such path (see cause)
└── BadResponse   a response that is not of the format: retry
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from bot.proxies.diagnosis import ProxyFault
from storage.models import Cause, Media, Snapshot


class ProviderError(Exception):
    """A poll returned no snapshot."""

    permanent: ClassVar[bool] = False  # True: a retry is useless until a person acts
    is_gateway_reply = True  # a response of the gateway itself, so it is reachable
    http_status: int | None = None  # of the response, if there was one
    proxy_fault: ProxyFault | None = None  # if the bot's own proxy does not work

    def __init__(self, message: str, *, cause: Cause, retry_after_s: float | None = None) -> None:
        """message: vendor text, bounded and without keys. retry_after_s: as requested, 0 to 3600."""
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.retry_after_s = retry_after_s


class Unavailable(ProviderError):
    """There was no response, or a 5xx."""

    is_gateway_reply = False  # set to True if the body is JSON


class RateLimited(ProviderError):
    """The gateway limits the request rate."""


class AuthFailed(ProviderError):
    """The gateway rejects the key or the request's permission."""

    permanent = True


class TaskMissing(ProviderError):
    """The gateway does not know the task, or has no such route (see cause)."""

    permanent = True


class BadResponse(ProviderError):
    """The response is not of the format."""

    is_gateway_reply = False  # set to True if the body is JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSource:
    """How to get a video: a request to make, or the bytes."""

    url: str | None = None  # byte for byte
    headers: dict[str, str] | None = None  # the key, for the gateway's own origin; dropped on redirects
    data: bytes | None = None  # decoded, if the response contains the bytes


class Provider(Protocol):
    """A configured gateway, which is polled in one wire format."""

    name: str  # what users type

    async def fetch(self, external_id: str, *, is_counted: bool = False) -> Snapshot:
        """Poll a task; raises ProviderError, and nothing else, if there is no snapshot.

        is_counted: the caller has counted the request against the key's rate limit; else it waits until the
        limit allows it.
        """
        ...

    async def fetch_elsewhere(self, external_id: str) -> Snapshot | None:
        """Poll a task at the gateway's other endpoint; None: there is none, or it has no snapshot."""
        return None

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        """Return how to fetch the video; raises ProviderError if a request for it fails."""
        ...
