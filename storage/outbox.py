"""The data types of the delivery queue: what is claimed, sent and settled. No I/O."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from storage.access import AccessQuestion, Greeting
from storage.chat_settings import DEFAULT_SETTINGS, ChatSettings, ResultForm, Sound
from storage.lookups import Lookup
from storage.models import DeliveryKind, DeliveryState, StoredFile, Task, TaskStatus
from storage.watches import Batch, Watch, WatchedTask


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
    reply_to: int | None = None  # the message that it replies to; None: the request of its watch

    @property
    def chat_id(self) -> int:
        """The chat it is addressed to."""
        return self.address.chat_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminReport:
    """The content of a REPORT: a gateway, or the proxy to all of them, went down or recovered."""

    gateway: str  # identifies it; without the key
    is_recovery: bool
    status: str  # as shown to admins: a key of the texts in messages/locales
    host: str
    names: tuple[str, ...]  # of the providers behind the key
    detail: str | None  # the HTTP status, the target of a redirect, or the proxy
    waiting: int  # tasks that are polled there
    language: str  # a key of messages/locales


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDelivery:
    """A claimed delivery of a watch with everything that its rendering needs."""

    delivery: Delivery
    watch: Watch
    task: Task
    settings: ChatSettings = DEFAULT_SETTINGS  # of the chat
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
    def carries_file(self) -> bool:
        """Whether it sends a video, as a video or as a document."""
        return self.is_video or self.delivery.kind in {DeliveryKind.COPY, DeliveryKind.DOCUMENT}

    @property
    def is_as_document(self) -> bool:
        """Whether it sends the video as a document."""
        return self.delivery.kind is DeliveryKind.DOCUMENT or (self.settings.result_form is ResultForm.FILE)

    @property
    def wants_document(self) -> bool:
        """Whether the video is followed by its document."""
        return self.is_video and self.settings.result_form is ResultForm.BOTH

    @property
    def is_silent(self) -> bool:
        """Whether the chat wants no sound of it."""
        is_result = self.delivery.kind in {DeliveryKind.RESULT, DeliveryKind.COPY}
        return self.settings.sound is Sound.NONE or (self.settings.sound is Sound.RESULTS and not is_result)

    @property
    def reply_to(self) -> int | None:
        """The message that it replies to."""
        return self.delivery.reply_to or self.watch.request_message_id

    @property
    def watched(self) -> WatchedTask:
        """The watch and its task."""
        return WatchedTask(watch=self.watch, task=self.task)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDelivery:
    """A claimed REPORT."""

    delivery: Delivery
    report: AdminReport
    settings: ChatSettings = DEFAULT_SETTINGS  # of the admin's private chat

    @property
    def is_silent(self) -> bool:
        """Whether the admin wants no sound of it; a report counts as a result."""
        return self.settings.sound is Sound.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDelivery:
    """A claimed BATCH with everything that its rendering needs."""

    delivery: Delivery
    batch: Batch
    watched: tuple[WatchedTask, ...]  # in the order of their ids
    settings: ChatSettings = DEFAULT_SETTINGS  # of the chat

    @property
    def is_silent(self) -> bool:
        """Whether the chat wants no sound of it."""
        return self.settings.sound is not Sound.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDelivery:
    """A claimed QUESTION or GREETING."""

    delivery: Delivery
    content: AccessQuestion | Greeting
    settings: ChatSettings = DEFAULT_SETTINGS  # of the chat that it goes to

    @property
    def is_silent(self) -> bool:
        """Whether the chat wants no sound of it; a question waits for its admin, so it counts as a result."""
        is_greeting = self.delivery.kind is DeliveryKind.GREETING
        return self.settings.sound is Sound.NONE or (is_greeting and self.settings.sound is Sound.RESULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupDelivery:
    """A claimed LOOKUP."""

    delivery: Delivery
    lookup: Lookup
    settings: ChatSettings = DEFAULT_SETTINGS  # of the chat

    @property
    def is_silent(self) -> bool:
        """Whether the chat wants no sound of it."""
        return self.settings.sound is not Sound.ALL


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
    wants_document: bool = False  # of a video that was sent: enqueue its DOCUMENT, too


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """A COPY or DOCUMENT to enqueue."""

    watch_id: int
    chat_id: int
    kind: DeliveryKind
    press: str | None = None  # the id of the callback query that requested it; each is met once
    reply_to: int | None = None  # the message to reply to; None: the request of the watch


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottledChats:
    """Chats that the rate limiter blocks at present."""

    to_all: Collection[int] = ()
    to_edits: Collection[int] = ()  # edits of existing cards; without the chats in to_all
    to_refreshes: Collection[int] = ()  # refreshes of old cards; without those in to_all and to_edits


NONE_THROTTLED = ThrottledChats()
