"""The data types shared by both packages: task, event, delivery kind, chat. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TaskStatus(StrEnum):
    """The status of a task at its gateway."""

    UNKNOWN = "unknown"  # registered here, not yet found at the gateway
    QUEUED = "queued"  # accepted, not started
    RUNNING = "running"  # being generated; also every raw status that is neither known nor final
    SUCCEEDED = "succeeded"  # the video exists
    FAILED = "failed"  # the gateway gave up; Snapshot.error says why
    CANCELLED = "cancelled"  # cancelled at the gateway
    EXPIRED = "expired"  # it existed, and the gateway has deleted it
    NOT_FOUND = "not_found"  # the gateway does not know it, at least under this key

    @property
    def is_final(self) -> bool:
        """Whether the gateway reports no other status after it."""
        return self not in {TaskStatus.UNKNOWN, TaskStatus.QUEUED, TaskStatus.RUNNING}

    @property
    def is_permanent(self) -> bool:
        """Whether it is final, and a new poll of the same id cannot bring anything else."""
        return self in {TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED}


class Cause(StrEnum):
    """Why a task or a poll failed, mapped from the gateway's codes and messages."""

    MODERATION = "moderation"  # prompt or result rejected by a content filter
    COPYRIGHT = "copyright"  # rejected as protected intellectual property
    BAD_INPUT = "bad_input"  # a size, length, image or parameter that the model does not support
    TASK_TIMEOUT = "task_timeout"  # the gateway's own upstream timed out
    NO_VIDEO = "no_video"  # finished, but without a video that can be fetched
    GENERATION = "generation"  # failed upstream without a stated reason
    KEY_INVALID = "key_invalid"  # the key is wrong, disabled or expired
    KEY_EXHAUSTED = "key_exhausted"  # no credit or quota left
    NOT_ALLOWED = "not_allowed"  # the key is valid, but its owner, group or IP address has no permission
    NOT_CONFIGURED = "not_configured"  # the provider is no longer in the bot's settings
    ROUTE_MISSING = "route_missing"  # the gateway does not serve this wire format
    TASK_MISSING = "task_missing"  # the gateway does not know the id, or it belongs to another account
    RATE_LIMITED = "rate_limited"  # too many requests
    UNREACHABLE = "unreachable"  # no response: refused, reset, timed out; or a 5xx
    PROXY = "proxy"  # the bot's own proxy does not work; the message names it
    ODD_ANSWER = "odd_answer"  # a response that is not of the format: HTML, empty, truncated
    WANTS_HTTPS = "wants_https"  # redirected to https on the same host; the message is that URL
    REDIRECTED = "redirected"  # redirected elsewhere; the message is the target host
    OTHER = "other"  # none of these

    @property
    def needs_admin(self) -> bool:
        """Whether an admin has to fix the key, its account or the settings."""
        return self in {Cause.KEY_INVALID, Cause.KEY_EXHAUSTED, Cause.NOT_ALLOWED, Cause.NOT_CONFIGURED}

    @property
    def is_redirect(self) -> bool:
        """Whether the gateway redirected the poll; the message is the target."""
        return self in {Cause.WANTS_HTTPS, Cause.REDIRECTED}

    @property
    def depends_on_settings(self) -> bool:
        """Whether other settings may fix it: another key, URL or format."""
        return self.needs_admin or self.is_redirect or self in {Cause.ROUTE_MISSING, Cause.PROXY}

    @property
    def is_task_failure(self) -> bool:
        """Whether the gateway failed the task for it; a poll never fails for it."""
        return self in {
            Cause.MODERATION,
            Cause.COPYRIGHT,
            Cause.BAD_INPUT,
            Cause.TASK_TIMEOUT,
            Cause.GENERATION,
        }


class Stall(StrEnum):
    """How long a task has not changed, in steps that each trigger an action once."""

    MOVING = "moving"
    STUCK = "stuck"  # for an hour: the gateway's other endpoint was polled, too
    UNCHANGED = "unchanged"  # for a day: the chats were notified, and it is polled once an hour
    RESTING = "resting"  # for days: no longer polled until a user requests it

    @property
    def is_reported(self) -> bool:
        """Whether the chats were notified of it."""
        return self in {Stall.UNCHANGED, Stall.RESTING}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """A task at a gateway, as a user names it."""

    provider: str  # the configured provider's name, lower-case
    external_id: str  # the gateway's id, case kept, never parsed as a number

    def __str__(self) -> str:
        return f"{self.provider} {self.external_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Where a finished task's video is."""

    url: str | None  # byte for byte as received; None: the bytes are in the response (a data: URL)
    needs_auth: bool = False  # the file is on the gateway's own host, which requires the key
    expires_at: datetime | None = None  # when the link expires, where it can be derived


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task failed, as reported by the gateway."""

    message: str  # vendor text, bounded in length, not escaped; "" when there is none
    code: str | None = None  # vendor code
    cause: Cause = Cause.OTHER  # the mapped cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A task's state at one moment, as parsed from a response."""

    status: TaskStatus
    raw_status: str  # as sent by the gateway, bounded in length
    progress: float | None = None  # 0 to 100
    progress_measured: bool = False  # real progress, not a constant per status
    media: Media | None = None  # only on SUCCEEDED; None there: finished without a known video
    error: TaskError | None = None  # only on FAILED, CANCELLED, EXPIRED
    prompt: str | None = None  # as the user wrote it, if the gateway returns it
    model: str | None = None
    submitted_at: datetime | None = None  # when the gateway accepted the task
    started_at: datetime | None = None
    finished_at: datetime | None = None
    video_s: float | None = None  # length of the video in seconds
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    queue_position: int | None = None  # tasks before this one
    clock_ahead_s: float = 0.0  # the gateway's clock skew; subtracted from all times but media.expires_at
    poll_after_s: float | None = None  # requested minimum delay until the next poll, 0 to 3600; None: none


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFailure:
    """Why polls of a task fail at present."""

    cause: Cause
    message: str  # vendor text, bounded, without keys; "" when there is none
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A video stored by Telegram; it can be sent again without an upload."""

    file_id: str  # valid for this bot only
    is_video: bool  # False: sent as a document, and can be sent again only as one
    unplayable: str | None = None  # the stream or codec that made it a document
    size: int | None = None  # bytes
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    duration_s: float | None = None

    @property
    def is_playable_document(self) -> bool:
        """Whether it was sent as a document by choice, or because the chat takes no videos."""
        return not self.is_video and self.unplayable is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A row of tasks: one for each gateway task, however many chats watch it."""

    id: int
    ref: TaskRef
    status: TaskStatus
    registered_at: datetime
    snapshot: Snapshot | None = None  # the last one; None: never found
    snapshot_at: datetime | None = None  # when the last one was received
    poll_failure: PollFailure | None = None  # None: the last poll succeeded
    last_poll_at: datetime | None = None  # when the last poll ended, successful or not
    next_poll_at: datetime | None = None  # None: final, resting, or without an active watch
    lease_until: datetime | None = None  # leased by a polling worker until then
    failures: int = 0  # consecutive failed polls
    version: int = 0  # incremented by every write; apply() is a compare-and-set on it
    file: StoredFile | None = None  # the first upload, for sending it again
    document: StoredFile | None = None  # the first upload as a document of a video that can be played
    stall: Stall = Stall.MOVING
    unchanged_since: datetime | None = None  # last change, or when polling was resumed; None: registered_at
    chat_active_watches: int = 1  # of the watching chat with the fewest, at the last renewal; 0: no watch


class DeliveryState(StrEnum):
    """The state of a delivery."""

    PENDING = "pending"  # to be sent, not before Delivery.not_before
    SENDING = "sending"  # leased by a delivery worker; after a crash the lease expires
    SENT = "sent"  # Telegram confirmed it
    UNKNOWN = "unknown"  # a call that is not idempotent got no response: the message may have arrived
    DEAD = "dead"  # given up: permanently rejected, or superseded

    @property
    def is_unsent(self) -> bool:
        """Whether it is still to be sent, or being sent."""
        return self in {DeliveryState.PENDING, DeliveryState.SENDING}

    @property
    def is_undelivered(self) -> bool:
        """Whether it ended, and Telegram did not confirm it."""
        return self in {DeliveryState.UNKNOWN, DeliveryState.DEAD}


class DeliveryKind(StrEnum):
    """What a delivery does in the chat."""

    RESULT = "result"  # a new message: the video, or the reason of the failure
    NOTICE = "notice"  # a new message: something that a person has to fix
    REPORT = "report"  # a new message to an admin: a gateway went down or recovered
    QUESTION = "question"  # a new message to an admin: whether a chat may use the bot
    GREETING = "greeting"  # a new message to a chat that may use the bot: what to type
    LOOKUP = "lookup"  # a question which provider knows an id, sent or edited
    CARD = "card"  # the watch's one card, sent or edited
    BATCH = "batch"  # the one card of a batch's watches, sent or edited
    COPY = "copy"  # a new message: a video that the chat has already, requested by a user
    DOCUMENT = "document"  # a new message: the file of a video that the chat has already


class EventKind(StrEnum):
    """The kinds of task events."""

    STATUS = "status"  # a different status that is not final
    PROGRESS = "progress"  # the same status, more progress
    UNCHANGED = "unchanged"  # no change for a day
    RESTS = "rests"  # no change for days: no longer polled
    FINISHED = "finished"  # a final status
    POLL_FAILURE = "poll_failure"  # polls began to fail
    MISSING = "missing"  # the gateway does not know the id, so far
    KEY_FAILURE = "key_failure"  # polls fail until a person fixes the key or its account
    RECOVERED = "recovered"  # polls succeed again

    @property
    def delivery_kinds(self) -> tuple[DeliveryKind, ...]:
        """The deliveries that are enqueued for every watch of the task."""
        match self:
            case EventKind.FINISHED:
                return (DeliveryKind.CARD, DeliveryKind.RESULT)
            case EventKind.KEY_FAILURE | EventKind.UNCHANGED:
                return (DeliveryKind.CARD, DeliveryKind.NOTICE)
            case _:
                return (DeliveryKind.CARD,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """A change of a task."""

    kind: EventKind
    before: TaskStatus
    after: TaskStatus
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A Telegram chat known to the bot."""

    id: int
    title: str  # "" in private chats
    language: str | None = None  # None: unknown
    disabled_reason: str | None = None  # why nothing can be sent there; None: sending works
