import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bot.providers.base import AuthFailed, BadResponse, ProviderError, RateLimited, TaskMissing, Unavailable
from bot.providers.parsing.response import error_in, parse, parse_response
from bot.providers.parsing.scrub import Scrubber
from storage.models import Cause
from tests.fakes.transport import response

SCRUB = Scrubber("sk-Zq7LmW2xVt9RbK4cYh3N")


def read(status: int, body: bytes, headers: dict[str, str] | None = None) -> object:
    return parse_response(response(body, status=status, headers=headers), SCRUB)


def error_of(status: int, body: bytes, headers: dict[str, str] | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        read(status, body, headers)
    return caught.value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "中"}'.encode("utf-16"), {"a": "中"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'{"a": NaN, "b": -Infinity}', {"a": None, "b": None}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": 14117763723766220057}', {"a": 14117763723766220057}),
        (b'{"a": ' + b"9" * 5000 + b"}", {"a": float("inf")}),
    ],
)
def test_json_is_read_with_a_wide_tolerance(body: bytes, value: object):
    assert read(200, body) == value


@pytest.mark.parametrize(
    ("status", "body", "kind", "cause"),
    [
        (200, b"", BadResponse, Cause.ODD_ANSWER),
        (200, b"[1]", BadResponse, Cause.ODD_ANSWER),
        (200, b'{"a": ', BadResponse, Cause.ODD_ANSWER),
        (200, b"[" * 100_000, BadResponse, Cause.ODD_ANSWER),
        (200, b"\n <!doctype html>", BadResponse, Cause.ROUTE_MISSING),
        (301, b"{}", BadResponse, Cause.ODD_ANSWER),
        (401, b"{}", AuthFailed, Cause.KEY_INVALID),
        (401, b"<html>", BadResponse, Cause.ODD_ANSWER),
        (402, b"{}", AuthFailed, Cause.KEY_EXHAUSTED),
        (403, b"{}", AuthFailed, Cause.NOT_ALLOWED),
        (403, b"<html>", BadResponse, Cause.ODD_ANSWER),
        (404, b"{}", TaskMissing, Cause.TASK_MISSING),
        (404, b'{"detail": "Not Found"}', TaskMissing, Cause.ROUTE_MISSING),
        (404, b'{"detail": "Not found: task-1"}', TaskMissing, Cause.TASK_MISSING),
        (404, b"404 page not found", BadResponse, Cause.ROUTE_MISSING),
        (404, b"", BadResponse, Cause.ODD_ANSWER),
        (410, b"{}", TaskMissing, Cause.TASK_MISSING),
        (400, b'{"code": "task_not_exist"}', TaskMissing, Cause.TASK_MISSING),
        (400, b'{"code": "Throttling"}', RateLimited, Cause.RATE_LIMITED),
        (400, b'{"code": "InvalidParameter"}', BadResponse, Cause.ODD_ANSWER),
        (429, b"", RateLimited, Cause.RATE_LIMITED),
        (500, b'{"code": "task_not_exist"}', Unavailable, Cause.UNREACHABLE),
        (599, b"", Unavailable, Cause.UNREACHABLE),
    ],
)
def test_every_other_response_is_an_error(status: int, body: bytes, kind: type[ProviderError], cause: Cause):
    error = error_of(status, body)
    assert (type(error), error.cause) == (kind, cause)
    assert error.message


def test_a_response_of_too_many_elements_is_not_parsed():
    assert read(200, b'{"a": [' + b"1," * 19_000 + b"1]}")
    for element in (b"1,", b"[],", b"{},", b'{"a":1},'):
        body = b'{"a": [' + element * 21_000 + b"1]}"
        assert error_of(200, body).cause is Cause.ODD_ANSWER
        assert error_of(429, body).cause is Cause.RATE_LIMITED


@pytest.mark.parametrize(
    "page",
    [
        '<img src="https://errors.aliyun.com/images/a.png">',
        "<h1>很抱歉，您的访问被阻断</h1>",
        "<title>Attention Required! | Cloudflare</title>",
        "<p>Request blocked.</p>",
        "<p>Request unsuccessful. Incapsula incident ID: 1</p>",
        "<title>腾讯T-Sec Web应用防火墙(WAF)</title>",
    ],
)
@pytest.mark.parametrize("status", [200, 404, 405])
@pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
def test_a_firewalls_page_is_no_missing_route(page: str, status: int, charset: str):
    assert error_of(status, f"<html>{page}</html>".encode(charset)).cause is Cause.ODD_ANSWER
    assert error_of(405, b"<html><h1>405 Not Allowed</h1></html>").cause is Cause.ROUTE_MISSING


@pytest.mark.parametrize(
    ("asked_at", "location", "cause", "message"),
    [
        ("http://g.example/v1", "https://g.example/v1/videos/1", Cause.WANTS_HTTPS, "https://g.example"),
        ("http://g.example:80", "https://g.example:8443/x", Cause.WANTS_HTTPS, "https://g.example:8443"),
        ("https://g.example", "/login?next=secret", Cause.REDIRECTED, "g.example"),
        (
            "https://g.example",
            "https://ann:secret@login.example/x",
            Cause.ODD_ANSWER,
            "HTTP 301: redirected",
        ),
        ("https://g.example", "https://login.example/?key=secret", Cause.REDIRECTED, "login.example"),
        ("https://g.example", "http://[::1]:99/", Cause.REDIRECTED, "[::1]:99"),
        ("https://g.example", "nonsense://[", Cause.ODD_ANSWER, "HTTP 301: redirected"),
        ("https://g.example", "", Cause.REDIRECTED, "g.example"),
    ],
)
def test_a_redirects_error_contains_the_target_host(asked_at: str, location: str, cause: Cause, message: str):
    with pytest.raises(BadResponse) as caught:
        parse_response(response(b"", status=301, headers={"Location": location}), SCRUB, base_url=asked_at)
    assert (caught.value.cause, caught.value.message) == (cause, message)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=GBK", 'text/json; charset="gb2312"', ""]
)
def test_a_body_in_gbk_keeps_its_letters(content_type: str):
    body = '{"url": "https://x.example/视频.mp4"}'.encode("gbk")
    assert read(200, body, {"Content-Type": content_type}) == {"url": "https://x.example/视频.mp4"}


def test_a_cdns_challenge_is_not_a_missing_route():
    assert error_of(200, b"<html>", {"cf-mitigated": "challenge"}).cause is Cause.ODD_ANSWER


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "why", "code": ""}}',
        b'{"error": "why"}',
        b'{"message": "why"}',
        b'{"error_msg": "why"}',
        b'{"msg": "why"}',
        b'{"detail": "why"}',
        b'{"detail": {"message": "why"}}',
        b'{"detail": [{"loc": ["path"], "msg": "why"}]}',
        b'{"detail": ["why"]}',
        b'{"errors": [{"message": "why"}]}',
    ],
)
def test_the_vendors_words_are_found_wherever_they_stand(body: bytes):
    assert error_of(401, body).message == "why"


def test_the_vendors_words_are_scrubbed_and_cut():
    error = error_of(401, b'{"message": "sk-Zq7LmW2xVt9RbK4cYh3N ' + b"x" * 1000 + b'"}')
    assert "Zq7LmW2x" not in str(error)
    assert len(error.message) == 500


def test_an_object_without_a_status_is_an_error_by_its_text():
    assert type(error_in({"code": "task_not_exist"}, SCRUB, "")) is TaskMissing
    assert type(error_in({"code": "success", "data": None}, SCRUB, "")) is BadResponse


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "2", "retry-after-ms": "1500"}, 1.5),
        (
            {"Retry-After": "Wed, 11 Mar 2026 09:16:06 GMT", "Date": "Wed, 11 Mar 2026 09:15:21 GMT"},
            45,
        ),
        (
            {"Retry-After": "Wed, 11 Mar 2026 09:15:00 GMT", "Date": "Wed, 11 Mar 2026 09:15:21 GMT"},
            0,
        ),
        ({"Retry-After": "99999999"}, 3600),
        ({"Retry-After": "-3"}, 0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 99 Mar 2026 09:16:06 GMT"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_the_gateway_asks_for_is_read(headers: dict[str, str], wait_s: float, status: int):
    assert error_of(status, b"", headers).retry_after_s == wait_s


def test_a_retry_date_counts_from_now_without_a_date_header():
    until = datetime.now(UTC) + timedelta(seconds=100)
    wait_s = error_of(429, b"", {"Retry-After": format_datetime(until, usegmt=True)}).retry_after_s
    assert wait_s is not None
    assert 60 < wait_s <= 100


@pytest.mark.parametrize(
    "body",
    [
        b'{"status": "done", "prompt": "a\tb\nc"}',
        b'{"status": "done"}\n\0\0',
        json.dumps('{"status": "done"}').encode(),
    ],
)
def test_what_careless_servers_write_is_parsed(body: bytes):
    assert read(200, body) in ({"status": "done"}, {"status": "done", "prompt": "a\tb\nc"})


def test_a_gbk_body_declared_as_utf_8_is_decoded():
    body = '{"video_url": "https://c.example/视频.mp4"}'.encode("gbk")
    headers = {"content-type": "application/json; charset=utf-8"}
    assert read(200, body, headers) == {"video_url": "https://c.example/视频.mp4"}
    kept = parse('{"prompt": "一段很长的视频提示词'.encode() + b'\xff"}', "utf-8")
    assert isinstance(kept, dict)
    assert str(kept["prompt"]).startswith("一段很长的视频提示词")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"message": "no Route matched with those values"}),
        (404, {"error_msg": "404 Route Not Found"}),
        (404, {"statusCode": 404, "message": "Cannot GET /v1/videos/x", "error": "Not Found"}),
        (404, {"timestamp": "2026-03-01", "status": 404, "error": "Not Found", "path": "/v1/videos/x"}),
        (404, {"message": "Not Found"}),
        (404, {"message": "The route v1/videos/x could not be found."}),
        (403, {"message": "Missing Authentication Token"}),
        (405, {"detail": "Method Not Allowed"}),
    ],
)
def test_json_for_an_unknown_path_is_a_missing_route(status: int, body: dict[str, object]):
    assert error_of(status, json.dumps(body).encode()).cause is Cause.ROUTE_MISSING


@pytest.mark.parametrize(
    "page",
    [
        "<html><title>WAF</title></html>",
        "<script>document.cookie='acw_sc__v2='</script>",
        "<html><body>EdgeOne Ray ID</body></html>",
    ],
)
@pytest.mark.parametrize("status", [200, 404, 405])
def test_a_challenge_is_no_missing_route(status: int, page: str):
    assert error_of(status, f"<!doctype html>{page}".encode()).cause is Cause.ODD_ANSWER


@pytest.mark.parametrize(
    "body",
    [
        {"fault": {"faultstring": "Invalid it is"}},
        {"Code": "InvalidAccessKeyId", "Message": "Invalid it is"},
        {"ResponseMetadata": {"Error": {"Code": "x", "Message": "Invalid it is"}}},
        {"Response": {"Error": {"Code": "x", "Message": "Invalid it is"}}},
        {"base_resp": {"status_code": 1004, "status_msg": "Invalid it is"}},
        {"error": {"error": {"message": "Invalid it is"}}},
    ],
    ids=json.dumps,
)
def test_the_messages_of_clouds_and_vendors_are_read(body: dict[str, object]):
    assert error_of(401, json.dumps(body).encode()).message == "Invalid it is"


@pytest.mark.parametrize("http", [200, 400])
@pytest.mark.parametrize(
    ("code", "kind"), [(401, AuthFailed), ("403", AuthFailed), (402, AuthFailed), (404, TaskMissing)]
)
def test_https_status_inside_the_body_counts(http: int, code: object, kind: type[ProviderError]):
    body = {"code": code, "message": "sorry"}
    error = error_of(http, json.dumps(body).encode()) if http != 200 else error_in(body, SCRUB, "")
    assert type(error) is kind


@pytest.mark.parametrize(
    "message",
    [
        "Video with id video_1 not found",
        "The task id is not exist",
        "task_id: x 不存在",
        "The job abc doesn't exist",
        "该任务 x 已删除或不存在",
    ],
)
def test_a_missing_task_is_recognised_by_many_messages(message: str):
    body = json.dumps({"error": {"message": message}}).encode()
    assert error_of(400, body).cause is Cause.TASK_MISSING


@pytest.mark.parametrize(
    "message",
    ["The model video-1 does not exist", "task failed: channel not found", "视频模型不存在"],
)
def test_something_else_that_is_not_there_is_no_missing_task(message: str):
    body = json.dumps({"error": {"message": message, "code": "not_found"}}).encode()
    assert error_of(400, body).cause is not Cause.TASK_MISSING
