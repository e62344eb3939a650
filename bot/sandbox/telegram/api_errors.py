"""The error responses of the Bot API, with its original descriptions.

The descriptions are those of https://github.com/tdlib/telegram-bot-api (telegram-bot-api/Client.cpp) and
https://github.com/tdlib/td, which the real server is built from.
"""

from bot.sandbox.faults import Fault, json_response


class ApiError(Exception):
    """A call that ends with an error response."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, object]:
        """The body of the response."""
        body: dict[str, object] = {"ok": False, "error_code": self.code, "description": self.description}
        return body | ({"parameters": self.parameters} if self.parameters else {})


def bad_request(reason: str, **parameters: int) -> ApiError:
    """400."""
    return ApiError(400, f"Bad Request: {reason}", **parameters)


def forbidden(reason: str) -> ApiError:
    """403."""
    return ApiError(403, f"Forbidden: {reason}")


def error_response(code: int, description: str, **parameters: int) -> Fault:
    """A fault, for example `error_response(403, "Forbidden: bot was blocked by the user")`."""
    return json_response(code, ApiError(code, description, **parameters).body())


def flood(retry_after_s: int) -> Fault:
    """A fault: too many requests."""
    return error_response(429, f"Too Many Requests: retry after {retry_after_s}", retry_after=retry_after_s)
