"""python -m tests.bench.telegram: a fake Bot API server, which records its calls."""

import asyncio
import json
import re
import time
from itertools import count
from typing import Any

from tests.bench.bare import Order, Request, Respond, response, serve

_CHAT = re.compile(rb'(?:\bchat_id=|name="chat_id"\r\n\r\n)(-?\d+)')
_MESSAGE = re.compile(rb'(?:\bmessage_id=|name="message_id"\r\n\r\n)(\d+)')
_WAIT = re.compile(rb"\btimeout=(\d+)")
_ME = {
    "id": 4242,
    "is_bot": True,
    "first_name": "Bench",
    "username": "bench_bot",
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
}
_VIDEO = {
    "file_id": "BAACAgIAAxkDAAIBench",
    "file_unique_id": "AgADBench",
    "width": 320,
    "height": 180,
    "duration": 2,
}
_WITH_VIDEO = {"sendVideo", "editMessageMedia"}
_WITH_TEXT = {"sendMessage", "editMessageText"}


class Telegram:
    """Accepts every call, and has no updates."""

    def __init__(self) -> None:
        self._numbers = count(1_000_000)
        self._calls: list[tuple[str, int, float]] = []  # method, chat, when it had arrived in full
        self._called_at: dict[str, float] = {}  # method → first time

    def handle(self, request: Request, respond: Respond) -> None:
        """Respond to a call like the Bot API; uploads are discarded."""
        method = request.path.rpartition("/")[2]
        now = time.monotonic()
        self._called_at.setdefault(method, now)
        if method == "getUpdates":
            wait = _WAIT.search(request.body)
            pause_s = float(wait[1]) if wait else 0.0
            asyncio.get_running_loop().call_later(pause_s, respond, _good([]))
            return
        chat = _CHAT.search(request.body)
        if chat is not None:
            self._calls.append((method, int(chat[1]), now))
        respond(_good(self._result(method, request.body, int(chat[1]) if chat else 0)))

    def apply_order(self, order: Order) -> Any:
        """forget: clear the calls; calls: all with a chat; first: when a method was first called."""
        match order["do"]:
            case "forget":
                self._calls.clear()
                self._called_at.clear()
            case "calls":
                return self._calls
            case "first":
                return self._called_at.get(order["method"])
        return None

    def _result(self, method: str, body: bytes, chat_id: int) -> Any:
        if method == "getMe":
            return _ME
        if method not in _WITH_VIDEO | _WITH_TEXT:
            return True
        named = _MESSAGE.search(body) if method.startswith("edit") else None
        return {
            "message_id": int(named[1]) if named else next(self._numbers),
            "date": int(time.time()),
            "chat": {"id": chat_id, "type": "private", "first_name": "Ada"},
            "from": _ME,
        } | ({"video": _VIDEO} if method in _WITH_VIDEO else {"text": "…"})


def _good(result: Any) -> bytes:
    return response(json.dumps({"ok": True, "result": result}).encode())


if __name__ == "__main__":
    telegram = Telegram()
    asyncio.run(serve(telegram.handle, telegram.apply_order))
