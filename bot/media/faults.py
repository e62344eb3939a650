"""Why a video could not be fetched."""

from enum import StrEnum


class Fault(StrEnum):
    """Why a video was not sent."""

    TOO_LARGE = "too_large"  # larger than the upload limit
    DEAD_LINK = "dead_link"  # 4xx: the server does not serve this file, or no longer
    NOT_A_VIDEO = "not_a_video"  # the response is not a video, e.g. an HTML page or JSON
    PRIVATE = "private"  # the address is in a private network
    UNREACHABLE = "unreachable"  # no response, an error or a truncated one; retryable
    UNTRUSTED = "untrusted"  # the host's certificate is not trusted
    UNSENDABLE = "unsendable"  # downloaded, but Telegram rejected every variant
    UNCONFIRMED = "unconfirmed"  # downloaded, but Telegram never responded to the upload


class DownloadError(Exception):
    """The video could not be downloaded; the message contains no link."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
