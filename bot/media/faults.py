"""Why a video could not be fetched."""

from enum import StrEnum


class Fault(StrEnum):
    """Why there is no video in the chat."""

    TOO_LARGE = "too_large"  # more than the limit
    DEAD_LINK = "dead_link"  # the server does not give this file, not any more
    NOT_A_VIDEO = "not_a_video"  # a page or a message where a video should be
    PRIVATE = "private"  # the address is in a private network
    UNREACHABLE = "unreachable"  # no answer, or one that broke off; later perhaps
    UNTRUSTED = "untrusted"  # the host's certificate is not trusted
    UNSENDABLE = "unsendable"  # fetched, and Telegram would not take it
    UNCONFIRMED = "unconfirmed"  # fetched, and no answer of Telegram's came through


class DownloadError(Exception):
    """The video could not be fetched; the message names no link."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
