"""A way to a gateway that ends in the test."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from multidict import CIMultiDict

from bot.providers.parsing.response import Response


def answer(body: bytes = b"", *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """What came back."""
    return Response(status=status, headers=CIMultiDict(headers or {}), body=body)


def json_answer(body: Any, *, status: int = 200) -> Response:
    """What came back, as JSON."""
    return answer(json.dumps(body).encode(), status=status)


class FakeTransport:
    """Answers as it is told, and notes who was asked for what."""

    def __init__(self, reply: Callable[[], Response]) -> None:
        """reply: may raise."""
        self._reply = reply
        self.asked: list[tuple[str, dict[str, str]]] = []  # address and headers

    async def get(self, url: str, headers: dict[str, str]) -> Response:
        self.asked.append((url, headers))
        return self._reply()


def always(reply: Response) -> FakeTransport:
    """Gives the same answer to every question."""
    return FakeTransport(lambda: reply)


def never() -> FakeTransport:
    """Must not be asked."""

    def reply() -> Response:
        raise AssertionError("asked")

    return FakeTransport(reply)
