"""A video file to send, and the faults for which there is none."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """A video to send: a local file, or a link or file_id that Telegram resolves itself."""

    source: Path | str
    is_video: bool = True  # False: as a document
    size: int | None = None  # bytes
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    duration_s: float | None = None
    unplayable: str | None = None  # the codec or container for which it is sent as a document
    thumbnail: Path | None = None  # JPEG, at most 320 × 320 pixels and 200 kB

    def __str__(self) -> str:
        return "video" if self.is_video else "document"


class Fault(StrEnum):
    """Why a video was not sent."""

    TOO_LARGE = "too_large"  # larger than the upload limit
    DEAD_LINK = "dead_link"  # 4xx: the server does not serve this file, or no longer
    NOT_A_VIDEO = "not_a_video"  # the response is not a video, e.g. an HTML page or JSON
    PRIVATE = "private"  # the address is in a private network
    UNREACHABLE = "unreachable"  # no response, an error or a truncated one; retryable
    PROXY = "proxy"  # the bot's proxy for downloads does not work; retryable
    UNTRUSTED = "untrusted"  # the host's certificate is not trusted
    UNSENDABLE = "unsendable"  # downloaded, but Telegram rejected every variant
    UNCONFIRMED = "unconfirmed"  # downloaded, but Telegram never responded to the upload


class DownloadError(Exception):
    """The video could not be downloaded; the message contains no link."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
