"""What every gateway has in common: the Provider protocol and the error tree.

ProviderError
├── Unavailable   no answer, or a 5xx: later
├── RateLimited   a 429, whatever its cause, or words to the same effect: not before retry_after_s
├── AuthFailed    the key, what it may do or what it may spend is refused, by a 401, 402 or 403 in JSON or in
│                 words, or there is none: a person must act
├── TaskMissing   the gateway does not know the id, or has no such path (see cause)
└── BadAnswer     an answer that is not of the format: later
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from storage.models import Cause, Media, Snapshot


class ProviderError(Exception):
    """A look at a task brought no snapshot."""

    permanent: ClassVar[bool] = False  # True: asking again changes nothing until a person acts
    is_gateway_reply = True  # an answer of the gateway's own, which proves that it is there
    http_status: int | None = None  # of the answer, where there was one

    def __init__(self, message: str, *, cause: Cause, retry_after_s: float | None = None) -> None:
        """message: vendor text, bounded and without keys. retry_after_s: the gateway's wish, 0 to 3600."""
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.retry_after_s = retry_after_s


class Unavailable(ProviderError):
    """The gateway did not answer, or answered that it can't."""

    is_gateway_reply = False  # unless a JSON body says otherwise


class RateLimited(ProviderError):
    """The gateway wants fewer questions."""


class AuthFailed(ProviderError):
    """The gateway refuses the key or what it may do."""

    permanent = True


class TaskMissing(ProviderError):
    """The gateway does not know the task, not yet or not any more, or has no such route (see cause)."""

    permanent = True


class BadAnswer(ProviderError):
    """The gateway answered something that is not of its format."""

    is_gateway_reply = False  # unless a JSON body says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSource:
    """How to get at a video's bytes: a request to make, or the bytes themselves."""

    url: str | None = None  # byte for byte
    headers: dict[str, str] | None = None  # the key, for the gateway's own host; never sent on by redirects
    data: bytes | None = None  # decoded, when the gateway answers with the bytes


class Provider(Protocol):
    """A configured gateway that speaks one wire format."""

    name: str  # what people type
    kind: str  # the wire format
    host: str  # the gateway's host and port, for people; never credentials

    async def fetch(self, external_id: str) -> Snapshot:
        """Ask for one task; raise ProviderError, and nothing else, when there is no snapshot."""
        ...

    async def fetch_elsewhere(self, external_id: str) -> Snapshot | None:
        """Ask for a task where else the gateway may know it; None: nowhere, or there is no snapshot there."""
        return None

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        """Say how the video is fetched; raise ProviderError when that takes a question that fails."""
        ...
