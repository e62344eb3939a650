"""The video file as the sender uploads it."""

from dataclasses import dataclass
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
