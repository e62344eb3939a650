"""What a chat has chosen in /settings. No I/O, no imports of our own."""

from dataclasses import dataclass
from enum import StrEnum


class Sound(StrEnum):
    """Which new messages notify with a sound."""

    ALL = "all"
    RESULTS = "results"  # a video, or why there is none
    NONE = "none"


class ResultForm(StrEnum):
    """As what a video is sent."""

    VIDEO = "video"  # played in place
    FILE = "file"  # as a document: the file, byte for byte
    BOTH = "both"  # the video, then the document as a reply to it


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """The settings of one chat; the defaults are those of a chat that has chosen nothing."""

    language: str | None = None  # a key of messages/locales; None: that of whoever asks
    sound: Sound = Sound.RESULTS
    result_form: ResultForm = ResultForm.VIDEO
    pins_batch_card: bool = False


DEFAULT_SETTINGS = ChatSettings()
