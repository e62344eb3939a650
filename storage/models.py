"""The vocabulary: what a task, a watch, an event and a delivery are. No I/O; imports nothing of ours."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TaskStatus(StrEnum):
    """Where a gateway's task stands."""

    UNKNOWN = "unknown"  # registered here, not yet seen at the gateway
    QUEUED = "queued"  # the gateway has it and has not begun
    RUNNING = "running"  # being generated, and every word that is neither known nor final
    SUCCEEDED = "succeeded"  # the video exists
    FAILED = "failed"  # the gateway gave up; Snapshot.error says why
    CANCELLED = "cancelled"  # somebody cancelled it at the gateway
    EXPIRED = "expired"  # it existed, and the gateway has forgotten it
    NOT_FOUND = "not_found"  # the gateway never knew it, as far as this key can see

    @property
    def is_final(self) -> bool:
        """Whether the gateway will never say anything else."""
        return self not in {TaskStatus.UNKNOWN, TaskStatus.QUEUED, TaskStatus.RUNNING}


class Cause(StrEnum):
    """Why a task failed or a look at it went wrong, as far as the gateway's words tell."""

    MODERATION = "moderation"  # prompt or result refused by a content filter
    COPYRIGHT = "copyright"  # refused for somebody's intellectual property
    BAD_INPUT = "bad_input"  # size, length, image or parameter that the model does not take
    TASK_TIMEOUT = "task_timeout"  # the gateway waited too long for its upstream and gave up
    NO_VIDEO = "no_video"  # finished, yet no video can be had
    GENERATION = "generation"  # failed upstream for a reason that it did not say
    KEY_INVALID = "key_invalid"  # the key is wrong, disabled or expired
    KEY_EXHAUSTED = "key_exhausted"  # no credit or quota left behind the key
    NOT_ALLOWED = "not_allowed"  # the key is right, but its owner, group or address may not ask
    NOT_CONFIGURED = "not_configured"  # the bot's settings name the provider no more
    ROUTE_MISSING = "route_missing"  # the gateway does not speak this wire format
    TASK_MISSING = "task_missing"  # the gateway does not know the id, or it belongs to another account
    RATE_LIMITED = "rate_limited"  # too many questions
    UNREACHABLE = "unreachable"  # no answer: refused, reset, timed out, 5xx
    ODD_ANSWER = "odd_answer"  # an answer that is not of the format: HTML, empty, cut off
    WANTS_HTTPS = "wants_https"  # redirected to https at the same host; the message is that address
    REDIRECTED = "redirected"  # redirected to another place; the message is its host
    OTHER = "other"  # none of these

    @property
    def is_redirect(self) -> bool:
        """Whether the gateway sent the poll elsewhere; the message is where to."""
        return self in {Cause.WANTS_HTTPS, Cause.REDIRECTED}


class Stall(StrEnum):
    """For how long nothing has changed at a task, as far as it has been acted on."""

    MOVING = "moving"
    STUCK = "stuck"  # for an hour: what else the gateway knows of it has been asked
    UNCHANGED = "unchanged"  # for a day: the chats were told, and it is polled once an hour
    RESTING = "resting"  # for days: no longer polled until somebody asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """A gateway's task as a person names it."""

    provider: str  # the configured provider's name, lower-case
    external_id: str  # the gateway's id, case kept, never parsed as a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Where a finished task's video is."""

    url: str | None  # byte for byte as the gateway gave it; None: the bytes are in the answer (a data: URL)
    needs_auth: bool = False  # the file is on the gateway's own host, which wants the key
    expires_at: datetime | None = None  # when the link dies, as far as it or its kind tells


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task failed, in the gateway's words."""

    message: str  # vendor text, bounded in length, not escaped; "" when it gave none
    code: str | None = None  # vendor code
    cause: Cause = Cause.OTHER  # what it comes to


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the gateway said of a task at one moment."""

    status: TaskStatus
    raw_status: str  # the gateway's own word, bounded in length
    progress: float | None = None  # 0 to 100
    progress_measured: bool = False  # real progress, not a figure made up per status
    media: Media | None = None  # only on SUCCEEDED; None there: finished, and no way to a video is known
    error: TaskError | None = None  # only on FAILED, CANCELLED, EXPIRED
    prompt: str | None = None  # as the person wrote it, where the gateway repeats it
    model: str | None = None
    submitted_at: datetime | None = None  # when the gateway took the task
    started_at: datetime | None = None
    finished_at: datetime | None = None
    video_s: float | None = None  # length of the video in seconds
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    queue_position: int | None = None  # tasks before this one
    clock_ahead_s: float = 0.0  # of the gateway's clock: all times but media.expires_at are corrected by it
    poll_after_s: float | None = None  # not to be polled sooner, 0 to 3600; None: the gateway has no wish


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFailure:
    """What stands in the way of looking at a task at present."""

    cause: Cause
    message: str  # vendor text, bounded, without keys; "" when there is none
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A video that Telegram has; sending it again costs no bytes."""

    file_id: str  # valid for this bot only
    is_video: bool  # False: it went as a document, and can be sent again only as one
    unplayable: str | None = None  # the part of it that is why it went as a document
    size: int | None = None  # bytes
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A gateway's task as the archive knows it: one row, however many chats watch it."""

    id: int
    ref: TaskRef
    status: TaskStatus
    registered_at: datetime
    snapshot: Snapshot | None = None  # the last one; None: never seen alive
    snapshot_at: datetime | None = None  # when the gateway last gave one
    poll_failure: PollFailure | None = None  # None: the last look went well
    last_poll_at: datetime | None = None  # when the gateway last answered or failed to
    next_poll_at: datetime | None = None  # None: final, resting, or nobody watches it
    lease_until: datetime | None = None  # claimed by a clock until then
    failures: int = 0  # looks in a row that brought no snapshot
    version: int = 0  # rises with every write; the compare-and-set of apply()
    file: StoredFile | None = None  # what the first upload left at Telegram
    stall: Stall = Stall.MOVING
    unchanged_since: datetime | None = None  # when it last changed or was taken up; None: when registered
    chat_active_watches: int = (
        1  # active watches of the least busy chat that waits for it, when its lease was last given
    )


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    PENDING = "pending"  # to be sent, not before Delivery.not_before
    SENDING = "sending"  # in a courier's hands; after a crash its lease runs out
    SENT = "sent"  # Telegram confirmed it
    UNKNOWN = "unknown"  # an unrepeatable call lost its answer: it may have arrived
    DEAD = "dead"  # given up: refused for good, or overtaken


class WatchState(StrEnum):
    """Whether a chat still waits for a task."""

    ACTIVE = "active"  # waiting for the end
    FINISHED = "finished"  # the result was delivered, or given up for good
    STOPPED = "stopped"  # somebody said /unwatch
    SUSPENDED = "parked"  # the chat is lost to the bot; goes on when it comes back


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A chat (and topic) follows a task."""

    id: int
    task_id: int
    chat_id: int
    thread_id: int | None  # forum topic; None: the chat itself
    request_message_id: int | None  # the message that asked; results reply to it
    user_id: int | None  # who asked; None in channels
    language: str  # a key of messages/locales
    created_at: datetime
    state: WatchState = WatchState.ACTIVE
    card_message_id: int | None = None  # None: the card has not been sent yet
    card_digest: str | None = None  # of the card's last text and buttons, to leave out empty edits
    result: DeliveryState | None = None  # how the delivery of its result ended; None: it has not


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What a person asked for with /watch."""

    ref: TaskRef
    chat_id: int
    thread_id: int | None
    message_id: int | None
    user_id: int | None
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """How many active watches there may be; None: any number."""

    per_chat: int | None = None
    per_person: int | None = None  # of one person in one chat that others use, too


UNLIMITED = WatchLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedTask:
    """A watch and the task it follows."""

    watch: Watch
    task: Task
    is_new: bool = False  # made, or made active again, by the add_watch that returned it


class DeliveryKind(StrEnum):
    """What a delivery does in the chat."""

    RESULT = "result"  # a new message: the video, or the reason of the failure
    NOTICE = "notice"  # a new message: something that a person has to mend
    CARD = "card"  # the watch's one card, sent or edited


class EventKind(StrEnum):
    """What happened to a task."""

    STATUS = "status"  # another status that is not final
    PROGRESS = "progress"  # the same status, further on
    UNCHANGED = "unchanged"  # no change for a day
    RESTS = "rests"  # no change for days: no longer polled
    FINISHED = "finished"  # a final status
    TROUBLE = "trouble"  # looks began to fail
    MISSING = "missing"  # the gateway does not know the id, so far
    KEY_TROUBLE = "key_trouble"  # looks fail until a person mends the key or its account
    RECOVERED = "recovered"  # looks go well again

    @property
    def tells(self) -> tuple[DeliveryKind, ...]:
        """The deliveries that every watch of the task gets."""
        match self:
            case EventKind.FINISHED:
                return (DeliveryKind.CARD, DeliveryKind.RESULT)
            case EventKind.KEY_TROUBLE | EventKind.UNCHANGED:
                return (DeliveryKind.CARD, DeliveryKind.NOTICE)
            case _:
                return (DeliveryKind.CARD,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """Something that happened to a task."""

    kind: EventKind
    before: TaskStatus
    after: TaskStatus
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing to tell one watch."""

    id: int
    watch_id: int
    kind: DeliveryKind
    state: DeliveryState
    created_at: datetime
    attempts: int = 0  # claims so far, the present one included
    not_before: datetime | None = None
    message_id: int | None = None  # the message that it has made so far
    unconfirmed_call_at: datetime | None = None  # when a call that must not be repeated was begun


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """A claimed delivery with all that is needed to render it."""

    delivery: Delivery
    watch: Watch
    task: Task
    companions: tuple[
        "ClaimedDelivery", ...
    ] = ()  # other failures of the same request, to be told in one message


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How an attempt at a delivery ended."""

    state: DeliveryState  # PENDING: try again at not_before
    at: datetime
    not_before: datetime | None = None
    is_attempt: bool = True  # False: it never left, and does not count among the attempts
    message_id: int | None = None  # the message that carries it
    card_digest: str | None = None  # of what the card shows now
    file: StoredFile | None = None  # what Telegram keeps of the video


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottledChats:
    """Chats that must not be written to at present."""

    to_all: Collection[int] = ()
    to_edits: Collection[int] = ()  # of cards that are there already; to_all is not repeated here
    to_refreshes: Collection[int] = ()  # of cards that have only grown old; neither is to_edits


NONE_THROTTLED = ThrottledChats()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A Telegram chat that the bot has met."""

    id: int
    title: str  # "" in private chats
    language: str | None = None  # None: nothing known
    disabled_reason: str | None = None  # why nothing can be sent there; None: it can


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts for /stats and /metrics."""

    tasks: dict[str, int]  # by TaskStatus
    watches: dict[str, int]  # by WatchState
    deliveries: dict[str, int]  # by DeliveryState
