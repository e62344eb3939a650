"""A video as it is sent."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """A video to send: a file on disk, or an address or file_id that Telegram takes by itself."""

    source: Path | str
    is_video: bool = True  # False: as a document
    size: int | None = None  # bytes
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    duration_s: float | None = None
    unplayable: str | None = None  # the part of it that is why it goes as a document
    thumbnail: Path | None = None  # JPEG, at most 320 pixels a side and 200 kB

    def __str__(self) -> str:
        return "video" if self.is_video else "document"
