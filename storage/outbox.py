"""The data types of the delivery queue: what is claimed, sent and settled. No I/O."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from storage.access import AccessQuestion, Greeting
from storage.lookups import Lookup
from storage.models import (
    Batch,
    DeliveryKind,
    DeliveryState,
    StoredFile,
    Task,
    TaskStatus,
    Watch,
    WatchedTask,
)


class DeliveryPriority(IntEnum):
    """The order in which deliveries are claimed, lowest first."""

    VIDEO = 0
    FAILURE = 1  # a result without a video
    NOTICE = 2
    REPORT = 3
    LAST_CARD = 4  # a card that shows its last state
    FIRST_CARD = 5  # a card that was not sent when this was enqueued
    EDIT = 6  # of a card, with news
    REFRESH = 7  # of a card, without news


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAddress:
    """Where messages go."""

    chat_id: int
    thread_id: int | None = None  # forum topic; None: the chat itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A queued message or edit."""

    id: int
    address: ChatAddress
    kind: DeliveryKind
    attempts: int = 0  # claims so far, the present one included
    message_id: int | None = None  # the message sent so far
    unconfirmed_call_at: datetime | None = None  # when a call that is not idempotent was started

    @property
    def chat_id(self) -> int:
        """The chat it is addressed to."""
        return self.address.chat_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminReport:
    """The content of a REPORT: a gateway went down or recovered."""

    gateway: str  # identifies it; without the key
    is_recovery: bool
    status: str  # as shown to admins: a key of the texts in messages/locales
    host: str
    names: tuple[str, ...]  # of the providers behind the key
    detail: str | None  # the HTTP status, or the target of a redirect
    waiting: int  # tasks that are polled there
    language: str  # a key of messages/locales


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDelivery:
    """A claimed RESULT, NOTICE or CARD with everything that its rendering needs."""

    delivery: Delivery
    watch: Watch
    task: Task
    companions: tuple["WatchDelivery", ...] = ()  # other failures of the same request, sent in one message

    @property
    def is_video(self) -> bool:
        """Whether it is the result of a task that succeeded."""
        return self.delivery.kind is DeliveryKind.RESULT and self.task.status is TaskStatus.SUCCEEDED

    @property
    def is_failure(self) -> bool:
        """Whether it is the result of a task that did not succeed."""
        return self.delivery.kind is DeliveryKind.RESULT and not self.is_video

    @property
    def watched(self) -> WatchedTask:
        """The watch and its task."""
        return WatchedTask(watch=self.watch, task=self.task)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDelivery:
    """A claimed REPORT."""

    delivery: Delivery
    report: AdminReport


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDelivery:
    """A claimed BATCH with everything that its rendering needs."""

    delivery: Delivery
    batch: Batch
    watched: tuple[WatchedTask, ...]  # in the order of their ids


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDelivery:
    """A claimed QUESTION or GREETING."""

    delivery: Delivery
    content: AccessQuestion | Greeting


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupDelivery:
    """A claimed LOOKUP."""

    delivery: Delivery
    lookup: Lookup


ClaimedDelivery = WatchDelivery | ReportDelivery | BatchDelivery | AccessDelivery | LookupDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The outcome of one delivery attempt."""

    state: DeliveryState  # PENDING: retry at not_before
    at: datetime
    not_before: datetime | None = None
    is_attempt: bool = True  # False: nothing was sent, and the attempt is not counted
    message_id: int | None = None  # the message that carries it
    card_digest: str | None = None  # of what the card shows now
    file: StoredFile | None = None  # the video as stored by Telegram


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottledChats:
    """Chats that the rate limiter blocks at present."""

    to_all: Collection[int] = ()
    to_edits: Collection[int] = ()  # edits of existing cards; without the chats in to_all
    to_refreshes: Collection[int] = ()  # refreshes of old cards; without those in to_all and to_edits


NONE_THROTTLED = ThrottledChats()
