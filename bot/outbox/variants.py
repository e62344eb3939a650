"""In which forms a video is tried, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.media.cache import Prepared
from bot.media.video import Fault, VideoFile
from bot.outbox.results import SendResult, Sent
from storage.models import DeliveryKind, StoredFile
from storage.outbox import ClaimedDelivery, WatchDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVariants:
    """What Telegram has already."""

    first: Sequence[VideoFile]  # before any download, best first
    last: Sequence[VideoFile]  # the other form, before the link


def stored_variants(
    out: WatchDelivery, file: StoredFile | None, document: StoredFile | None
) -> StoredVariants:
    """file: the task's video, as a document if it can't be played; document: of a video that can be played.

    Telegram does not send a file_id in another form than that in which the file was uploaded.
    """
    is_unplayable = file is not None and not file.is_video
    wanted, other = (document, file) if out.is_as_document and not is_unplayable else (file, document)
    kind = out.delivery.kind
    return StoredVariants(
        first=_files(wanted, other if kind is DeliveryKind.COPY else None),
        last=_files(other) if kind is DeliveryKind.RESULT else (),
    )


def downloaded_variants(out: WatchDelivery, prepared: Prepared) -> list[VideoFile]:
    """The downloaded file in its forms, else its link for Telegram to fetch, best first."""
    variants = list(prepared.variants) or _by_address(prepared)
    if out.delivery.kind is DeliveryKind.DOCUMENT:
        return [video for video in variants if not video.is_video]
    return sorted(variants, key=lambda video: video.is_video) if out.is_as_document else variants


def has_document_next(out: ClaimedDelivery, result: SendResult) -> bool:
    """Whether the document of the video that was sent is to follow."""
    is_wanted = isinstance(out, WatchDelivery) and out.wants_document
    return is_wanted and isinstance(result, Sent) and not result.is_document


def _by_address(prepared: Prepared) -> list[VideoFile]:
    """Telegram fetches a link itself, up to 20 MB, but has neither the API key nor access to a LAN."""
    not_fetchable = {Fault.PRIVATE, Fault.NOT_A_VIDEO, Fault.TOO_LARGE}
    if prepared.media.url is None or prepared.media.needs_auth or prepared.fault in not_fetchable:
        return []
    return [VideoFile(source=prepared.media.url)]


def _files(*files: StoredFile | None) -> list[VideoFile]:
    return [
        VideoFile(
            source=file.file_id,
            is_video=file.is_video,
            unplayable=file.unplayable,
            size=file.size,
            width=file.width,
            height=file.height,
            duration_s=file.duration_s,
        )
        for file in files
        if file is not None
    ]
