"""HTTP requests of python-telegram-bot with validated responses.

Whatever a server at TELEGRAM_API_URL or a proxy sends, a call returns a result of the right type or raises a
TelegramError. https://core.telegram.org/bots/api#making-requests
"""

import json
import logging
import re
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
from telegram.error import NetworkError, RetryAfter, TelegramError
from telegram.request import HTTPXRequest, RequestData

from bot.bot_api import bounds
from bot.bot_api.results import ResultChecker, Unexpected, is_int
from bot.proxies.diagnosis import ProxyDiagnosis

_MAX_RETRY_AFTER_S = 86_400  # a longer wait is cut to it
_COUNTED_FROM_BYTES = 65_536  # a smaller response can't hold too many elements
_MAX_ELEMENTS = 1_000_000  # a hundred updates full of commas have 820,000
_SUCCESS, _REFUSAL, _ERROR = range(200, 300), range(300, 500), range(400, 600)  # statuses
# 4xx statuses that proxies send during an outage, for a too large request, or as a rate limit.
_PROXY_STATUSES = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS,
}

# Tags that Bot API servers know from 9.6 on; a text's own < and > are escaped. In JSON their quotes are, too.
_TIME_TAG = re.compile(r"</?tg-time[^<>]*>")
_WRONG_MARKUP = b"parse entities"

Json = dict[str, Any]

log = logging.getLogger(__name__)

# httpx errors of a request that did not leave this machine; python-telegram-bot chains them as the cause.
_NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}


class NotBotApi(TelegramError):
    """The response does not come from a Bot API server."""

    def __init__(self, host: str, *, is_refusal: bool) -> None:
        """is_refusal: the request was certainly not executed."""
        super().__init__(f"the server at {host} is not a Bot API server; check TELEGRAM_API_URL")
        self.is_refusal = is_refusal


def was_never_sent(error: TelegramError) -> bool:
    """Whether the request did not leave this machine."""
    return type(error.__cause__).__name__ in _NEVER_SENT


def flood_wait_s(error: RetryAfter) -> float:
    """The wait that Telegram requests, in seconds; python-telegram-bot has it as a number or a timedelta."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def is_not_modified(error: TelegramError) -> bool:
    """Whether an edit changes nothing, as the message has that content already."""
    return "message is not modified" in error.message.lower()


class BotApiRequest(HTTPXRequest):
    """HTTPXRequest that limits and validates every response.

    If the server is too old for times in the reader's zone, they are sent as text from then on.
    """

    def __init__(self, *args: Any, diagnosis: ProxyDiagnosis | None = None, **options: Any) -> None:
        """diagnosis: of the proxy, if there is one."""
        hooks = {"event_hooks": {"response": [bounds.bound]}}
        super().__init__(*args, **options | {"httpx_kwargs": options.get("httpx_kwargs", {}) | hooks})
        self._results = ResultChecker()
        self._knows_times = True
        self._diagnosis = diagnosis

    async def do_request(self, url: str, method: str, *args: Any, **options: Any) -> tuple[int, bytes]:
        """Make a request; raises NotBotApi for a response that no Bot API server sends."""
        try:
            status, payload = await self._with_times(url, method, *args, **options)
        except NetworkError as error:
            if isinstance(error.__cause__, bounds.TooLarge):
                raise NotBotApi(_host(url), is_refusal=False) from error
            if self._diagnosis is None or isinstance(error.__cause__, httpx.PoolTimeout):
                raise
            raise type(error)(await self._why(url, error.message)) from error.__cause__
        response = _json_of(payload)
        if response is not None and (refusal := _refusal_in(response)):
            return _error_status(status, response), json.dumps(refusal).encode()
        if status in _SUCCESS:
            if response is None or response.get("ok") is not True:
                raise NotBotApi(_host(url), is_refusal=False)
            try:
                result = self._results.check(url.rpartition("/")[2], response.get("result"))
            except Unexpected:
                raise NotBotApi(_host(url), is_refusal=False) from None
            unchanged = result is response["result"]
            return status, payload if unchanged else json.dumps({"ok": True, "result": result}).encode()
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self._diagnosis is not None:
            why = await self._why(url, f"HTTP {status:d}")
            raise NetworkError(why) from httpx.ProxyError(why)  # as where the proxy refuses a tunnel
        if status in _REFUSAL and status not in _PROXY_STATUSES:
            raise NotBotApi(_host(url), is_refusal=True)
        return status, b"{}"  # only the status counts: the body is a proxy's error page

    async def _why(self, url: str, what: str) -> str:
        """Why a call failed, in a sentence that names the proxy."""
        assert self._diagnosis is not None  # noqa: S101 - for the type checker
        trouble = await self._diagnosis.trouble(url)
        return str(trouble) if trouble else f"{what} through the proxy {self._diagnosis.proxy}"

    async def _with_times(
        self, url: str, method: str, request_data: RequestData | None = None, **timeouts: Any
    ) -> tuple[int, bytes]:
        """Make a request; without its tags of times if the server refuses or has refused them."""
        if request_data is None or not any(map(_TIME_TAG.search, request_data.json_parameters.values())):
            return await super().do_request(url, method, request_data, **timeouts)
        if self._knows_times:
            status, payload = await super().do_request(url, method, request_data, **timeouts)
            if status != HTTPStatus.BAD_REQUEST or _WRONG_MARKUP not in payload:
                return status, payload
            self._knows_times = False
            log.info(
                "The Bot API server is older than 9.6: times are shown in the zone of TZ.",
                extra={"event": "bot_api_old"},
            )
        plain: Any = _PlainTimes(request_data)
        return await super().do_request(url, method, plain, **timeouts)


@dataclass(frozen=True, slots=True)
class _PlainTimes:
    """What HTTPXRequest reads from RequestData, which is final, without the tags of times."""

    request_data: RequestData

    @property
    def multipart_data(self) -> Any:
        return self.request_data.multipart_data

    @property
    def json_parameters(self) -> dict[str, str]:
        return {name: _TIME_TAG.sub("", text) for name, text in self.request_data.json_parameters.items()}


def _json_of(payload: bytes) -> Json | None:
    if len(payload) > _COUNTED_FROM_BYTES and sum(map(payload.count, (b",", b"[", b"{"))) > _MAX_ELEMENTS:
        return None
    try:
        value = json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _error_status(status: int, response: Json) -> int:
    """The HTTP status; if it is 2xx, the error_code, as proxies may forward an error with status 200."""
    if status not in _SUCCESS:
        return status
    code = response.get("error_code")
    return code if type(code) is int and code in _ERROR else HTTPStatus.INTERNAL_SERVER_ERROR


def _refusal_in(response: Json) -> Json | None:
    """The valid fields of a Bot API server's error; None if the response is not one."""
    is_explained = isinstance(response.get("description"), str) or type(response.get("error_code")) is int
    if response.get("ok") is not False or not is_explained:
        return None
    error: Json = {"ok": False}
    if isinstance(description := response.get("description"), str):
        error["description"] = description
    parameters = response.get("parameters")
    if not isinstance(parameters, dict):
        return error
    known: Json = {}
    if is_int(chat_id := parameters.get("migrate_to_chat_id")):
        known["migrate_to_chat_id"] = chat_id
    if type(wait_s := parameters.get("retry_after")) is int and wait_s > 0:
        known["retry_after"] = min(wait_s, _MAX_RETRY_AFTER_S)
    return error | ({"parameters": known} if known else {})


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
