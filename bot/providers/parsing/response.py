"""Parses an HTTP response into a JSON object, or raises the error that it means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from http import HTTPStatus
from urllib.parse import urljoin

from bot.providers.base import AuthFailed, BadResponse, ProviderError, RateLimited, TaskMissing, Unavailable
from bot.providers.parsing.causes import cause_in, limit_cause, refusal_cause
from bot.providers.parsing.fields import Json, as_code, as_number, as_text, first
from bot.providers.parsing.links import DEFAULT_PORTS, origin
from bot.providers.parsing.scrub import Scrubber
from storage.models import Cause

MESSAGE_LIMIT = 500  # characters of vendor text that are kept
_MOST_ELEMENTS = 20_000  # of lists and objects; a task has about a hundred
_UNCOUNTED = 16_384  # bytes up to which elements are not counted
_GBK = {"gbk", "gb2312", "gb18030", "x-gbk", "cp936"}
_LOST = "\ufffd"  # what a byte that can't be decoded becomes
_LONGEST_PACKED = 100_000  # characters of a text that is parsed as JSON
_PADDING = "\0 \t\r\n"
_LONGEST_WAIT_S = 3600.0  # of a requested delay; a longer one is cut to it
_LONGEST_INTEGER = 30  # digits; a longer one becomes a float, as int() rejects thousands of digits
_CODES = (
    "error.code", "code", "error_code", "err_code", "errcode", "errorCode", "error.type",
    "Code", "Error.Code", "Response.Error.Code", "ResponseMetadata.Error.Code", "base_resp.status_code",
)  # fmt: skip
_MESSAGES = (
    "error.message", "error", "message", "error_msg", "msg", "detail.message", "detail", "detail.*.msg",
    "detail.*.message", "detail.*", "errors.*.message", "errors.*.msg", "errors.*", "error.*.message",
    "error.*.msg", "message.*.msg", "description", "error_message", "errorMessage", "errmsg", "err_msg",
    "error.*.*.message", "Message", "Error.Message", "Response.Error.Message", "Response.ErrorMessage",
    "ResponseMetadata.Error.Message", "fault.faultstring", "base_resp.status_msg", "reason", "title",
)  # fmt: skip
_SUCCESS = range(200, 300)
_REDIRECTION = range(300, 400)
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}
_MISSING = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_NO_ROUTE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
# Messages of servers and proxies for an unknown path: new-api's controller/relay.go, Kong, APISIX, Express,
# NestJS, Laravel, gin.
_NO_ROUTE_WORDS = (
    "invalid url (", "no route matched", "route not found", "cannot get /", "the route ", "no such route",
    "unknown route", "endpoint not found", "path not found", "page not found",
)  # fmt: skip
# The whole body: starlette/routing.py, AWS API Gateway.
_NO_ROUTE_BODIES = ({"detail": "Not Found"}, {"message": "Not Found"})
_AWS_NO_ROUTE = {"message": "Missing Authentication Token"}
_SPRING_NO_ROUTE = {"timestamp", "status", "error", "path"}
_TOO_MANY = "429"
_STATUS_CODES = {"401", "402", "403", "404", "410"}
_SHAPE_START = 1_000  # bytes of a body that are read to tell a page from other text
# The errors of the causes that a code or text alone can have; any other cause is about the key.
_ERRORS: Mapping[Cause, type[ProviderError]] = {
    Cause.TASK_MISSING: TaskMissing,
    Cause.RATE_LIMITED: RateLimited,
}
_PAGE_START = 65_536  # bytes of a page that are searched for a firewall's marks
_FIREWALL_HEADERS = ("cf-mitigated", "x-sucuri-block", "x-waf-event-info", "x-amzn-waf-action")
# In the pages that firewalls send instead of a response: Aliyun, Tencent, Huawei, Baidu, Cloudflare, Akamai,
# Imperva, AWS, Sucuri, ModSecurity, F5, SafeLine, BaoTa, 360, Yundun.
_FIREWALL_MARKS = (
    "errors.aliyun.com", "安全威胁", "访问被阻断", "访问被拦截", "被拦截", "已被拦截", "请求被拒绝",
    "安全验证", "人机验证", "防火墙", "waf-", "_waf", "waf.", " waf", "\"waf", "firewall", "cf-error",
    "just a moment", "attention required", "cf-browser-verification", "you have been blocked", "incapsula",
    "imperva", "errors.edgesuite.net", "akamaighost", "reference #", "sucuri", "mod_security", "modsecurity",
    "requested url was rejected", "support id", "request blocked", "request could not be satisfied",
    "safeline", "雷池", "宝塔", "yunsuo", "safedog", "security check", "access denied", "blocked by",
    "captcha", "ddos", ">waf<", "acw_sc", "__jsl", "datadome", "perimeterx", "challenge-platform", "ray id",
    "网站防护", "安全防护", "安全检测", "edgeone",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Response:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]  # case-insensitive
    body: bytes  # decompressed
    videos: tuple[memoryview, ...] = ()  # base64 that was cut out of a large body
    clock_ahead_s: float = 0.0  # the gateway's clock skew; 0 up to a minute

    @cached_property
    def json(self) -> object:
        """The body's JSON value, also if it is encoded as text again; None if there is none."""
        value = parse(self.body, _charset_in(self.headers.get("content-type", "")))
        return unpacked(value) if isinstance(value, str) else value


def parse(body: bytes, charset: str = "") -> object:
    """The JSON value of a body, or None if it is not JSON or has too many elements."""
    # Separators, also those inside texts, bound the number of elements, and so the time to parse them.
    if len(body) > _UNCOUNTED and sum(map(body.count, (b",", b"[", b"{"))) > _MOST_ELEMENTS:
        return None
    try:
        text = _text_of(body, charset).rstrip(_PADDING)
        # Calling Python functions lets other threads take the GIL; json's built-in converters do not.
        return json.loads(
            text, strict=False, parse_int=_integer, parse_float=_fraction, parse_constant=lambda _: None
        )
    except (ValueError, RecursionError):
        return None


def unpacked(value: object) -> object:
    """Unwrap a list of one element, and JSON encoded as text."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and len(value) <= _LONGEST_PACKED and value.lstrip()[:1] in {"{", "["}:
        return parse(value.encode("utf-8", "replace"))
    return value


def _text_of(body: bytes, charset: str) -> str:
    """Decode a body; one that is not valid UTF-8 as GBK, which some gateways send without declaring it."""
    if charset in _GBK:
        return body.decode("gb18030", errors="replace")
    text = body.decode(json.detect_encoding(body), errors="replace")
    lost = text.count(_LOST)
    if not lost or (charset == "utf-8" and 2 * lost < sum(not char.isascii() for char in text)):
        return text
    try:
        return body.decode("gb18030")
    except UnicodeDecodeError:
        return text


@lru_cache(maxsize=256)
def _charset_in(content_type: str) -> str:
    """The charset of a Content-Type header, lower-case, "" for none."""
    return content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")


def parse_response(response: Response, scrub: Scrubber, *, base_url: str = "") -> Json:
    """Return the JSON object of a 2xx response; raises ProviderError for any other.

    base_url: the gateway's, for comparison with a redirect's target.
    """
    body = response.json
    if response.status in _SUCCESS and isinstance(body, dict):
        return body
    raise _error(response, body, scrub, base_url)


def error_in(body: Json, scrub: Scrubber, default: str) -> ProviderError:
    """The error for an object without a task, by its code and message; default: used without a message."""
    code, message = _code_and_message(body)
    return _error_by_text(code, scrub(message, MESSAGE_LIMIT) or default)


def _error(response: Response, body: object, scrub: Scrubber, base_url: str) -> ProviderError:
    """The error for any response but an object with a 2xx.

    1. A 429 or 5xx, whatever the body.
    2. A redirect, and a body that is not an object.
    3. An object: first those that mean a missing path, then by status, then by code and text.
    """
    status, wait_s = response.status, _retry_after(response.headers)
    code, message = _code_and_message(body)
    text = scrub(message, MESSAGE_LIMIT) or f"HTTP {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(text, cause=limit_cause(code, message), retry_after_s=wait_s)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(text, cause=Cause.UNREACHABLE, retry_after_s=wait_s)
    if status in _REDIRECTION:
        return _redirect(response, base_url)
    if not isinstance(body, dict):
        return _not_an_object(response)
    if _lacks_route(status, body, text):
        return TaskMissing(text, cause=Cause.ROUTE_MISSING)
    return _refusal(status, code, text)


def _lacks_route(status: int, body: Json, text: str) -> bool:
    """Whether a JSON object means that the server has no such path."""
    if status == HTTPStatus.FORBIDDEN:
        return body == _AWS_NO_ROUTE
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return "method not allowed" in text.casefold()
    if status != HTTPStatus.NOT_FOUND:
        return False
    text = f"{text} {body.get('message')}".casefold()
    is_known = any(words in text for words in _NO_ROUTE_WORDS)
    return is_known or body in _NO_ROUTE_BODIES or body.keys() >= _SPRING_NO_ROUTE


def _refusal(status: int, code: str, text: str) -> ProviderError:
    """The error for a JSON object with a 4xx."""
    if status in _REFUSED:
        return AuthFailed(text, cause=refusal_cause(status, code, text))
    if status in _MISSING:
        return TaskMissing(text, cause=Cause.TASK_MISSING)
    return _error_by_text(code, text)


def _error_by_text(code: str, text: str) -> ProviderError:
    """The error by code and text, for an HTTP status without a meaning."""
    if code == _TOO_MANY:
        return RateLimited(text, cause=limit_cause(code, text))
    cause = cause_in(code, text)
    if cause is not None:
        return _ERRORS.get(cause, AuthFailed)(text, cause=cause)
    if code in _STATUS_CODES:  # an HTTP status as the code in the body
        return _refusal(int(code), "", text)
    return BadResponse(text, cause=Cause.ODD_ANSWER)


def _redirect(response: Response, base_url: str) -> BadResponse:
    """The error for a redirect; its message has only the target's host, never its path or query."""
    try:
        target = origin(urljoin(base_url, response.headers.get("location", "")))
    except ValueError:
        target = None
    current = origin(base_url)
    if target is None:
        return BadResponse(f"HTTP {response.status}: redirected", cause=Cause.ODD_ANSWER)
    scheme, host, port = target
    shown = f"[{host}]" if ":" in host else host
    address = shown if port == DEFAULT_PORTS[scheme] else f"{shown}:{port}"
    if current is not None and (current[0], scheme) == ("http", "https") and current[1] == host:
        return BadResponse(f"https://{address}", cause=Cause.WANTS_HTTPS)
    return BadResponse(address, cause=Cause.REDIRECTED)


def _is_blocked(response: Response) -> bool:
    """Whether a page is a firewall's, by its headers and known marks."""
    if any(header in response.headers for header in _FIREWALL_HEADERS):
        return True
    start = response.body[:_PAGE_START]
    page = f"{start.decode('utf-8', 'replace')} {start.decode('gb18030', 'replace')}".casefold()
    return any(mark in page for mark in _FIREWALL_MARKS)


def _not_an_object(response: Response) -> BadResponse:
    """The error for a body that is not a JSON object: a page of a CDN, a web server, or a missing route."""
    start = response.body[:_SHAPE_START].lstrip(b"\xef\xbb\xbf \t\r\n")  # without BOM and blanks
    is_page = start.startswith(b"<")
    shape = "a web page" if is_page else "not JSON" if start else "empty"
    # A web application has a page of its own for any unknown path, with the status 200.
    is_unknown_path = bool(start) if response.status in _NO_ROUTE else is_page and response.status in _SUCCESS
    cause = Cause.ROUTE_MISSING if is_unknown_path and not _is_blocked(response) else Cause.ODD_ANSWER
    return BadResponse(f"HTTP {response.status}, {shape}", cause=cause)


def _code_and_message(body: object) -> tuple[str, str]:
    """The vendor's code and message, "" for none."""
    return first(body, _CODES, as_code) or "", first(body, _MESSAGES, as_text) or ""


def poll_after_s(headers: Mapping[str, str]) -> float | None:
    """The requested minimum delay until the next poll, by OpenAI's header or Retry-After; None: none."""
    milliseconds = as_number(headers.get("openai-poll-after-ms"))
    wait_s = _retry_after(headers) if milliseconds is None else _bounded(milliseconds / 1000)
    return wait_s or None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _fraction(digits: str) -> float:
    return float(digits)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The requested delay, from milliseconds, seconds or a date."""
    wait_s = as_number(headers.get("retry-after"))
    milliseconds = as_number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        wait_s = milliseconds / 1000
    elif wait_s is None and (until := http_date(headers.get("retry-after"))):
        wait_s = (until - (http_date(headers.get("date")) or datetime.now(UTC))).total_seconds()
    return None if wait_s is None else _bounded(wait_s)


def _bounded(wait_s: float) -> float:
    return min(max(wait_s, 0.0), _LONGEST_WAIT_S)


def http_date(text: str | None) -> datetime | None:
    """The time in an HTTP date header, or None."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
