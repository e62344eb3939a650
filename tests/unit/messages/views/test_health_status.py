"""The reply to /health."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.health.store_check import DatabaseState
from bot.messages.translate import LANGUAGES, catalogue
from bot.messages.views.health_status import Health, LeadershipHealth, health
from bot.watching.gateway_state import GatewayStatus
from tests.fakes.clock import NOON
from tests.fakes.health import IDLE, WELL, gateway, health_with
from tests.unit.messages.reading import utf16_units, visible


def lines_of(found: Health, *, language: str = "en") -> list[str]:
    """The lines that an admin sees."""
    return visible(health(found, language=language).text).split("\n")


@pytest.fixture(autouse=True)
def times_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


BUSY = replace(
    IDLE,
    polled_tasks={"wan": 10, "veo": 2},
    watching_chats=3,
    waiting_deliveries=2,
    waiting_since=NOON - timedelta(minutes=5),
)


def test_a_bot_that_is_well_says_so_first_and_then_what_it_does():
    found = health_with(gateways=(gateway(), gateway("unknown")), workload=BUSY)

    assert lines_of(found) == [
        "✅ All is well.",
        "",
        "Running since 2025-06-01 09:00 UTC, version 1.2.3.",
        "Watching 12 tasks (chats: 3).",
        "2 messages are waiting to be sent, the oldest since 2025-06-01 11:55 UTC.",
        "Gateways working: 2 of 2.",
        "Database: 200 kB, 41.0 GB free on its disk.",
    ]


def test_what_is_wrong_comes_first_with_since_when_why_and_what_waits():
    found = health_with(
        telegram_since=NOON,
        hung_loops=("polling",),
        gateways=(
            gateway("away", detail="HTTP 503", names=("veo", "wan"), waiting=4),
            gateway("redirected", host="old.example", detail="new.example"),
            gateway(),
        ),
    )

    assert lines_of(found)[:7] == [
        "⚠️ 4 things are wrong.",
        "",
        "• “Checking tasks” has hung. If it stays that way, stop the bot and start it again.",
        "• Telegram hasn't responded since 2025-06-01 12:00 UTC.",
        "• gw.example (veo, wan) isn't responding (HTTP 503). Since 2025-06-01 12:00 UTC; "
        "4 tasks are waiting for it.",
        "• old.example (wan) redirects to new.example. Check its BASE_URL. Since 2025-06-01 12:00 UTC.",
        "",
    ]
    assert "Gateways working: 1 of 3." in lines_of(found)


def test_in_chinese_nothing_is_english_but_names():
    found = health_with(
        database="full",
        hung_loops=("delivery",),
        gateways=(gateway("key", detail="HTTP 401", waiting=1),),
        workload=BUSY,
    )

    assert lines_of(found, language="zh") == [
        "⚠️ 有 3 个问题。",
        "",
        "• 磁盘已满或有故障，无法保存任何内容。请清理磁盘空间。",
        "• “发送消息”卡住了。如果一直不恢复，请停止机器人，然后再启动。",
        "• gw.example（wan）拒绝了机器人的密钥（HTTP 401）。"
        "从 2025-06-01 12:00 UTC 开始，有 1 个任务在等待。",
        "",
        "从 2025-06-01 09:00 UTC 运行至今，版本 1.2.3。",
        "正在关注 12 个任务，涉及 3 个聊天。",
        "有 2 条消息等待发送，最早的一条从 2025-06-01 11:55 UTC 开始等待。",
        "网关：共 1 个，0 个正常。",
        "数据库：200 kB，所在磁盘剩余 41.0 GB。",
    ]


def test_without_a_database_what_is_known_is_shown():
    found = health_with(database="hung", workload=None, free_bytes=None)

    assert lines_of(found) == [
        "⚠️ 1 thing is wrong.",
        "",
        "• My database isn't responding: the disk hangs, or another program keeps the file locked.",
        "",
        "Running since 2025-06-01 09:00 UTC, version 1.2.3.",
    ]


def test_fifty_gateways_that_are_away_fit_into_a_message():
    away = gateway("away", host="h" * 300, names=tuple(f"name-{n}" for n in range(50)), waiting=200)
    text = health(health_with(gateways=(away,) * 50), language="en").text

    assert utf16_units(text) <= 4096
    assert len(text.encode("utf-16-le")) // 2 <= 4096
    assert "… and " in text
    assert "Gateways working: 0 of 50." in text


def test_a_host_is_escaped():
    assert "&lt;b&gt;" in health(health_with(gateways=(gateway("odd", host="<b>"),)), language="en").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_a_text(language: str):
    states = {f"health.database.{state}" for state in DatabaseState if state is not DatabaseState.OK}
    states |= {f"admin.{status}" for status in GatewayStatus if status.is_bad} | {"admin.redirected"}

    assert states <= catalogue(language).keys()


def test_one_task_and_one_message_are_counted_in_the_singular():
    found = replace(WELL, workload=replace(BUSY, polled_tasks={"wan": 1}, waiting_deliveries=1))

    assert lines_of(found)[3:5] == [
        "Watching 1 task (chats: 3).",
        "1 message has been waiting to be sent since 2025-06-01 11:55 UTC.",
    ]


def test_replicas_are_the_last_lines():
    shared = LeadershipHealth(leader="a<b:1", standbys=("c:2", "d:3"), epoch=7, round_trip_s=0.00043)

    assert lines_of(health_with(leadership=shared))[-3:] == [
        "Leader: a<b:1, epoch 7.",
        "Standing by: c:2, d:3.",
        "Round trip to the database: 0.4 ms.",
    ]


def test_a_replica_that_stands_by_says_that_it_answers():
    shared = LeadershipHealth(
        leader="a:1", standbys=("c<b:2",), answering_standby="c<b:2", epoch=None, round_trip_s=None
    )

    assert lines_of(health_with(leadership=shared))[-3:] == [
        "Leader: a:1.",
        "Standing by: c<b:2.",
        "Answered by c<b:2, which stands by; the states of the gateways come from the leader.",
    ]


def test_a_leader_without_another_replica_says_so():
    alone = LeadershipHealth(leader="a:1", standbys=(), epoch=7, round_trip_s=None)

    assert lines_of(health_with(leadership=alone), language="zh")[-1] == "没有其他副本待命。"
