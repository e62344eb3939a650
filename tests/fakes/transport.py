"""Fake transports for gateways."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from multidict import CIMultiDict

from bot.providers.parsing.response import Response


def response(body: bytes = b"", *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with this body."""
    return Response(status=status, headers=CIMultiDict(headers or {}), body=body)


def json_response(body: Any, *, status: int = 200) -> Response:
    """A response with this JSON body."""
    return response(json.dumps(body).encode(), status=status)


class FakeTransport:
    """Returns scripted responses, and records the requests."""

    def __init__(self, reply: Callable[[], Response]) -> None:
        """reply: may raise."""
        self._reply = reply
        self.requested: list[tuple[str, dict[str, str]]] = []  # URL and headers

    async def get(self, url: str, headers: dict[str, str]) -> Response:
        self.requested.append((url, headers))
        return self._reply()


def always(reply: Response) -> FakeTransport:
    """Returns the same response to every request."""
    return FakeTransport(lambda: reply)


def never() -> FakeTransport:
    """Must not be called."""

    def reply() -> Response:
        raise AssertionError("requested")

    return FakeTransport(reply)
