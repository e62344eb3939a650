"""The ids of a message whose provider is not known yet, and the Store's operations on them. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storage.watches import UNLIMITED, WatchLimits


class LookupState(StrEnum):
    """The state of a lookup."""

    POLLING = "polling"  # the candidates are polled, each once
    ASKING = "asking"  # people are asked for the provider
    ANSWERED = "answered"  # a person chose the provider
    UNANSWERED = "unanswered"  # nobody did in time
    FOUND = "found"  # for each id, exactly one provider knew it


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupRequest:
    """The ids of a message that several providers may know."""

    candidates: Mapping[str, tuple[str, ...]]  # the providers' names by id
    chat_id: int
    thread_id: int | None
    message_id: int
    user_id: int | None
    language: str
    user_name: str | None = None  # the first name


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A row of lookups."""

    id: int
    state: LookupState
    chat_id: int
    message_id: int | None
    user_id: int | None
    language: str
    external_ids: tuple[str, ...]  # those whose provider was not found by polling
    providers: tuple[str, ...]  # the names to choose from
    answer: str | None
    question_message_id: int | None


class LookupStore(Protocol):
    """The part of the Store about lookups. Each method is one transaction, and may raise StoreError."""

    async def look_up(self, request: LookupRequest, *, at: datetime, limits: WatchLimits = UNLIMITED) -> None:
        """Register a lookup, make its candidate tasks due for one poll each, and enqueue its LOOKUP.

        1. A candidate that a poll has found before, and the only one of an id, is known; one that was
           NOT_FOUND is polled again.
        2. apply() of a candidate notes whether its provider knows it. If of all candidates of an id exactly
           one is known, a watch of it is registered in the same transaction. The watches of four ids or
           more are registered together, once all candidates were polled.
        3. The LOOKUP can be claimed once all candidates were polled, or 10 s later. Claiming it counts
           candidates that were not polled as unknown, applies rule 2, and asks for the other ids.
        4. An hour after the question was sent, the LOOKUP is claimed again, and the lookup is UNANSWERED.

        A second request for the same message adds its candidates while the first is POLLING, else does
        nothing. Raises WatchLimitReached, and writes nothing, if a watch of each id would exceed the limits.
        """
        ...

    async def lookup(self, lookup_id: int, chat_id: int) -> Lookup | None:
        """The lookup of this chat, or None."""
        ...

    async def answer_lookup(
        self, lookup_id: int, chat_id: int, provider: str, *, at: datetime, limits: WatchLimits = UNLIMITED
    ) -> bool:
        """Register watches of the ids that are asked for with this provider, and enqueue the LOOKUP.

        False: it is not ASKING. Raises WatchLimitReached, and writes nothing.
        """
        ...
