"""From an HTTP answer to a JSON object, or to the error that it means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urljoin

from bot.providers.base import AuthFailed, BadAnswer, ProviderError, RateLimited, TaskMissing, Unavailable
from bot.providers.parsing.causes import limit_cause, refusal_cause, told_cause
from bot.providers.parsing.fields import Json, as_code, as_number, as_text, first
from bot.providers.parsing.links import DEFAULT_PORTS, origin
from bot.providers.parsing.scrub import Scrubber
from storage.models import Cause

MESSAGE_LIMIT = 500  # characters of vendor text that are kept
_MOST_ELEMENTS = 20_000  # of lists and objects; a task has a hundred
_UNCOUNTED = 16_384  # bytes of a body that is too small for many elements
_GBK = {"gbk", "gb2312", "gb18030", "x-gbk", "cp936"}
_LOST = "\ufffd"
_LONGEST_PACKED = 100_000  # characters of a text that may hold JSON
_PADDING = "\0 \t\r\n"
_LONGEST_WAIT_S = 3600.0
_LONGEST_INTEGER = 30  # digits; a longer one becomes a float, as int() refuses thousands of digits
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
_GOOD = range(200, 300)
_ELSEWHERE = range(300, 400)
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_NO_ROUTE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
# What servers and proxies say of a path that they do not know: new-api's controller/relay.go, Kong, APISIX,
# Express, NestJS, Laravel, gin.
_NO_ROUTE_WORDS = (
    "invalid url (", "no route matched", "route not found", "cannot get /", "the route ", "no such route",
    "unknown route", "endpoint not found", "path not found", "page not found",
)  # fmt: skip
# No more and no less: starlette/routing.py, AWS API Gateway.
_NO_ROUTE_BODIES = ({"detail": "Not Found"}, {"message": "Not Found"})
_AWS_NO_ROUTE = {"message": "Missing Authentication Token"}
_SPRING_NO_ROUTE = {"timestamp", "status", "error", "path"}
_TOO_MANY = "429"
_STATUS_CODES = {"401", "402", "403", "404", "410"}
_PAGE_START = 65_536  # bytes of a page in which a firewall's marks are sought
_FIREWALL_HEADERS = ("cf-mitigated", "x-sucuri-block", "x-waf-event-info", "x-amzn-waf-action")
# Of the pages that firewalls show in place of an answer: Aliyun, Tencent, Huawei, Baidu, Cloudflare, Akamai,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]  # of any case
    body: bytes  # decompressed
    videos: tuple[memoryview, ...] = ()  # base64 that was cut out of a large body
    clock_ahead_s: float = 0.0  # of the gateway's clock, where it is more than a minute off this machine's


def parse(body: bytes, charset: str = "") -> object:
    """The JSON value, or None for anything that is not JSON or has too many elements."""
    if len(body) > _UNCOUNTED and _has_too_many(body):
        return None
    try:
        text = _text_of(body, charset).rstrip(_PADDING)
        # Each call of a function written in Python lets other threads run; json's own let none.
        return json.loads(
            text, strict=False, parse_int=_integer, parse_float=_fraction, parse_constant=lambda _: None
        )
    except (ValueError, RecursionError):
        return None


def unpacked(value: object) -> object:
    """What stands alone in a list, or as JSON in a text."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and len(value) <= _LONGEST_PACKED and value.lstrip()[:1] in {"{", "["}:
        return parse(value.encode("utf-8", "replace"))
    return value


def _text_of(body: bytes, charset: str) -> str:
    """The body's text, also where it is in GBK, of which gateways in China do not always tell."""
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


def charset_of(headers: Mapping[str, str]) -> str:
    """The charset that an answer names, lower-case, "" for none."""
    return _charset_in(headers.get("content-type", ""))


@lru_cache(maxsize=256)
def _charset_in(content_type: str) -> str:
    return content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")


def _has_too_many(body: bytes) -> bool:
    """Whether parsing would take long: what separates elements is counted, also inside texts."""
    return body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_ELEMENTS


def json_of(answer: Response) -> object:
    """The JSON value in an answer, out of the text that holds nothing else, or None."""
    body = parse(answer.body, charset_of(answer.headers))
    return unpacked(body) if isinstance(body, str) else body


def parse_response(answer: Response, scrub: Scrubber, *, asked_at: str = "") -> Json:
    """Return the JSON object of a good answer; raise ProviderError for every other one.

    asked_at: the gateway's base URL, to say how a redirect differs from it.
    """
    body = json_of(answer)
    if answer.status in _GOOD and isinstance(body, dict):
        return body
    raise _error(answer, body, scrub, asked_at)


def no_status_in(body: Json, scrub: Scrubber) -> ProviderError:
    """The error that an object without a task's status means."""
    return told_error(body, scrub, "no status in the answer")


def told_error(body: Json, scrub: Scrubber, otherwise: str) -> ProviderError:
    """The error that the words of an object without a task mean."""
    code, message = _said(body)
    return _told_error(code, scrub(message, MESSAGE_LIMIT) or otherwise)


def _error(answer: Response, body: object, scrub: Scrubber, asked_at: str) -> ProviderError:
    status, wait_s = answer.status, _retry_after(answer.headers)
    code, message = _said(body)
    text = scrub(message, MESSAGE_LIMIT) or f"HTTP {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(text, cause=limit_cause(code, message), retry_after_s=wait_s)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(text, cause=Cause.UNREACHABLE, retry_after_s=wait_s)
    if status in _ELSEWHERE:
        return _redirect(answer, asked_at)
    if not isinstance(body, dict):
        return _shapeless(answer)
    if _lacks_route(status, body, text):
        return TaskMissing(text, cause=Cause.ROUTE_MISSING)
    return _refusal(status, code, text)


def _lacks_route(status: int, body: Json, text: str) -> bool:
    """Whether a JSON object says that the server has no such path."""
    if status == HTTPStatus.FORBIDDEN:
        return body == _AWS_NO_ROUTE
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return "method not allowed" in text.casefold()
    if status != HTTPStatus.NOT_FOUND:
        return False
    text = f"{text} {body.get('message')}".casefold()
    says = any(words in text for words in _NO_ROUTE_WORDS)
    return says or body in _NO_ROUTE_BODIES or body.keys() >= _SPRING_NO_ROUTE


def _refusal(status: int, code: str, text: str) -> ProviderError:
    """The error that a JSON object with a 4xx means."""
    if status in _REFUSED:
        return AuthFailed(text, cause=refusal_cause(status, code, text))
    if status in _GONE:
        return TaskMissing(text, cause=Cause.TASK_MISSING)
    return _told_error(code, text)


def _told_error(code: str, text: str) -> ProviderError:
    """The error that code and text name where the HTTP status is silent."""
    if code == _TOO_MANY:
        return RateLimited(text, cause=limit_cause(code, text))
    told = told_cause(code, text)
    if told is None and code in _STATUS_CODES:  # HTTP's status in the body, under another one or none
        return _refusal(int(code), "", text)
    match told:
        case Cause.TASK_MISSING as cause:
            return TaskMissing(text, cause=cause)
        case Cause.RATE_LIMITED as cause:
            return RateLimited(text, cause=cause)
        case None:
            return BadAnswer(text, cause=Cause.ODD_ANSWER)
        case cause:
            return AuthFailed(text, cause=cause)


def _redirect(answer: Response, asked_at: str) -> BadAnswer:
    """Where a redirect leads: the host, never what else an address may hold."""
    try:
        target = origin(urljoin(asked_at, answer.headers.get("location", "")))
    except ValueError:
        target = None
    asked = origin(asked_at)
    if target is None:
        return BadAnswer(f"HTTP {answer.status}: redirected", cause=Cause.ODD_ANSWER)
    scheme, host, port = target
    shown = f"[{host}]" if ":" in host else host
    address = shown if port == DEFAULT_PORTS[scheme] else f"{shown}:{port}"
    if asked is not None and (asked[0], scheme) == ("http", "https") and asked[1] == host:
        return BadAnswer(f"https://{address}", cause=Cause.WANTS_HTTPS)
    return BadAnswer(address, cause=Cause.REDIRECTED)


def _is_blocked(answer: Response) -> bool:
    """Whether a page is a firewall's, by what such pages hold."""
    if any(header in answer.headers for header in _FIREWALL_HEADERS):
        return True
    start = answer.body[:_PAGE_START]
    page = f"{start.decode('utf-8', 'replace')} {start.decode('gb18030', 'replace')}".casefold()
    return any(mark in page for mark in _FIREWALL_MARKS)


def _shapeless(answer: Response) -> BadAnswer:
    """A body that is no JSON object: a CDN's page, a web server's, a start page in place of the route."""
    start = answer.body[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    page = start.startswith(b"<")
    shape = "a web page" if page else "not JSON" if start else "empty"
    lacking = bool(start) if answer.status in _NO_ROUTE else page and answer.status < HTTPStatus.BAD_REQUEST
    cause = Cause.ROUTE_MISSING if lacking and not _is_blocked(answer) else Cause.ODD_ANSWER
    return BadAnswer(f"HTTP {answer.status}, {shape}", cause=cause)


def _said(body: object) -> tuple[str, str]:
    """The vendor's code and message, "" where there is none."""
    return first(body, _CODES, as_code) or "", first(body, _MESSAGES, as_text) or ""


def poll_wish_s(headers: Mapping[str, str]) -> float | None:
    """For how long after a good answer the gateway wants no poll, as OpenAI's server says; None: no wish."""
    milliseconds = as_number(headers.get("openai-poll-after-ms"))
    wait_s = _retry_after(headers) if milliseconds is None else _bounded(milliseconds / 1000)
    return wait_s or None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _fraction(digits: str) -> float:
    return float(digits)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait that the gateway asks for, in milliseconds, seconds or as a date."""
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
    """The moment that a header names; None for anything else."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
