"""What the health report says about the loops, the database, Telegram and the gateways."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.health.report import HealthReport
from bot.health.states import LoopState, TelegramState
from bot.health.store_check import PATIENCE_S, DatabaseState
from bot.telemetry import HUNG_S, STANDING_BY, Telemetry
from bot.watching.gateway_state import GatewayReport, GatewayStatus
from storage.errors import LeadershipLost, StoreFull, StoreUnreachable
from storage.leadership import Leadership
from tests.fakes.clock import NOON, SteadyClock
from tests.fakes.leadership import FakeLeadership, replica
from tests.unit.health.fake_store import FakeStore


@dataclass
class Bot:
    """A health report and all that it is made of."""

    report: HealthReport
    store: FakeStore
    telemetry: Telemetry
    clock: SteadyClock
    gateways: list[GatewayReport]
    connected: list[bool] = field(default_factory=lambda: [True])


@pytest.fixture
async def bot(tmp_path: Path) -> Bot:
    return make_bot(tmp_path)


def make_bot(folder: Path, leadership: Leadership | None = None) -> Bot:
    """leadership: None: no other process shares the database."""
    clock, store = SteadyClock(), FakeStore(leadership)
    telemetry, gateways, connected = Telemetry(clock=clock), list[GatewayReport](), [True]
    report = HealthReport(
        store,
        telemetry,
        lambda: gateways,
        is_connected=lambda: connected[0],
        folder=folder,
        clock=lambda: NOON,
    )
    return Bot(report, store, telemetry, clock, gateways, connected)


def gateway(status: GatewayStatus, **facts: Any) -> GatewayReport:
    report = GatewayReport(names=("veo", "wan"), host="gw.example", status=status, since=NOON)
    return replace(report, **facts)


async def test_a_bot_is_alive_whoever_else_is_away(bot: Bot):
    bot.telemetry.beat("polling")
    bot.telemetry.set_problem("telegram", "502 Bad Gateway")
    bot.gateways.append(gateway(GatewayStatus.AWAY))
    bot.connected[0] = False

    assert (await bot.report.live()).is_ok
    assert not (await bot.report.ready()).is_ok


async def test_a_loop_without_a_heartbeat_within_a_minute_hangs(bot: Bot):
    for loop in ("polling", "updates"):
        bot.telemetry.beat(loop)
    bot.clock.advance(HUNG_S + 1)
    bot.telemetry.beat("updates")

    live = await bot.report.live()

    assert HUNG_S < 60
    assert live.loops == {"polling": LoopState.HUNG, "updates": LoopState.OK}
    assert live.as_json() == {
        "ok": False,
        "summary": "The bot is not alive: the loop polling hangs.",
        "database": "ok",
        "loops": {"polling": "hung", "updates": "ok"},
    }


async def test_a_full_disk_makes_a_bot_not_alive(bot: Bot):
    bot.store.error = StoreFull("The database /data/reelwatch.db cannot grow.")

    body = (await bot.report.live()).as_json()

    assert body["database"] == "full"
    assert body["summary"] == "The bot is not alive: the disk of the database is full or fails."


@pytest.mark.parametrize("component", ["polling", "delivery"])
async def test_a_loop_that_cannot_use_the_database_for_long_counts_as_the_database(bot: Bot, component: str):
    bot.telemetry.set_problem(component, "The file is damaged.")
    bot.clock.advance(PATIENCE_S - 1)
    assert (await bot.report.live()).is_ok

    bot.clock.advance(1)
    assert (await bot.report.live()).database is DatabaseState.FAILING


async def test_a_bot_is_ready_if_telegram_and_every_provider_respond(bot: Bot):
    bot.gateways.append(gateway(GatewayStatus.UP))
    bot.gateways.append(gateway(GatewayStatus.UNKNOWN, names=("sora",)))

    assert (await bot.report.ready()).as_json() == {
        "ok": True,
        "summary": "The bot is ready: it is alive, and Telegram and the providers respond.",
        "database": "ok",
        "loops": {},
        "telegram": "ok",
        "providers": {"veo": "up", "wan": "up", "sora": "unknown"},
    }


async def test_each_provider_that_is_away_is_named_in_words_that_hold_no_foreign_text(bot: Bot):
    bot.telemetry.set_problem("telegram", "403 page about /bot1234567:hunter2/getMe")
    bot.gateways.append(gateway(GatewayStatus.KEY, redirect_to="https://sk-secret.example"))

    ready = await bot.report.ready()

    assert ready.telegram is TelegramState.AWAY
    body = ready.as_json()
    assert body["ok"] is False
    assert body["telegram"] == "away"
    assert body["providers"] == {"veo": "key", "wan": "key"}
    assert "veo rejects the API key; wan rejects the API key." in str(body["summary"])
    assert "hunter2" not in str(body)
    assert "secret" not in str(body)


@pytest.mark.parametrize("status", [status for status in GatewayStatus if status.is_bad])
async def test_a_bot_is_not_ready_while_a_provider_is_bad(bot: Bot, status: GatewayStatus):
    bot.gateways.append(gateway(status))

    assert not (await bot.report.ready()).is_ok


async def test_a_bot_that_telegram_has_never_answered_is_not_ready(bot: Bot):
    bot.connected[0] = False

    assert (await bot.report.ready()).as_json()["telegram"] == "connecting"


async def test_what_an_admin_reads_has_times_and_counts(bot: Bot):
    bot.telemetry.beat("polling")
    bot.telemetry.set_problem("telegram", "no response")
    bot.clock.advance(60)
    bot.gateways.append(gateway(GatewayStatus.AWAY, http_status=503))
    bot.gateways.append(gateway(GatewayStatus.ODD, redirect_to="new.example"))

    found = await bot.report.describe()

    assert (NOON - found.started_at).total_seconds() == 60
    assert found.telegram_since is not None
    assert (NOON - found.telegram_since).total_seconds() == 60
    assert found.hung_loops == ["polling"]
    assert [(each.status, each.detail) for each in found.gateways] == [
        ("away", "HTTP 503"),
        ("redirected", "new.example"),
    ]
    assert found.free_bytes is not None


async def test_without_a_database_the_rest_is_described(bot: Bot):
    bot.store.error = StoreFull("The disk is full.")

    found = await bot.report.describe()

    assert (found.database, found.workload) == ("full", None)


SHARED = [replica("a:1", is_leader=True), replica("b:2")]


@pytest.fixture
def leadership() -> FakeLeadership:
    leadership = FakeLeadership(epoch=7)
    leadership.known = SHARED
    return leadership


@pytest.fixture
async def shared(tmp_path: Path, leadership: FakeLeadership) -> Bot:
    return make_bot(tmp_path, leadership)


async def test_a_process_that_stands_by_is_alive_and_ready_to_lead(shared: Bot):
    shared.telemetry.set_problem("telegram", "no response")  # the leader's business
    shared.connected[0] = False

    assert (await shared.report.live()).as_json() == {
        "ok": True,
        "summary": "The bot is alive: it stands by to lead.",
        "database": "ok",
        "loops": {},
    }
    body = (await shared.report.ready()).as_json()
    assert body == {
        "ok": True,
        "summary": "The bot is ready to lead: it stands by, and a:1 leads.",
        "database": "ok",
        "loops": {},
        "role": "standby",
        "epoch": 7,
        "round_trip_s": 0.0004,
        "replicas": [
            {"name": "a:1", "version": "1.2.3", "role": "leader", "since": "2025-06-01T12:00:00+00:00"},
            {"name": "b:2", "version": "1.2.3", "role": "standby", "since": "2025-06-01T12:00:00+00:00"},
        ],
    }
    assert shared.report.has_started
    assert shared.store.checks == 0


async def test_a_process_that_stands_by_and_does_not_try_to_lead_for_a_minute_hangs(
    shared: Bot, leadership: FakeLeadership
):
    shared.telemetry.beat("polling")  # of a term that was lost
    shared.telemetry.beat(STANDING_BY)
    assert (await shared.report.live()).loops == {STANDING_BY: LoopState.OK}
    shared.clock.advance(HUNG_S + 1)

    live = await shared.report.live()

    assert live.hangs
    assert live.as_json()["summary"] == "The bot is not alive: the loop leadership hangs."


async def test_a_leader_that_has_not_migrated_yet_has_neither_started_nor_does_it_hang(
    shared: Bot, leadership: FakeLeadership
):
    leadership.is_held = True
    shared.telemetry.beat(STANDING_BY)
    shared.clock.advance(HUNG_S + 1)

    assert (await shared.report.live()).loops == {}
    assert not shared.report.has_started


async def test_a_process_that_stands_by_without_a_database_is_alive_but_not_ready(
    shared: Bot, leadership: FakeLeadership
):
    leadership.known = []
    shared.telemetry.set_problem("database", "The database db cannot be reached.")

    assert (await shared.report.live()).is_ok
    body = (await shared.report.ready()).as_json()
    assert body["ok"] is False
    assert body["database"] == "away"
    assert body["summary"] == "The bot is not ready: the database can't be reached."


async def test_a_leader_says_its_role_and_is_judged_as_ever(shared: Bot, leadership: FakeLeadership):
    leadership.is_held = True
    shared.gateways.append(gateway(GatewayStatus.AWAY))

    body = (await shared.report.ready()).as_json()

    assert (body["role"], body["epoch"], body["telegram"]) == ("leader", 7, "ok")
    assert body["ok"] is False
    assert shared.store.checks == 1


async def test_a_leader_whose_database_is_away_is_not_ready_and_no_restart_would_help(
    shared: Bot, leadership: FakeLeadership
):
    leadership.is_held = True
    shared.store.error = StoreUnreachable("The database db cannot be reached.")

    ready = await shared.report.ready()

    assert ready.liveness.is_ok
    assert not ready.is_ok


async def test_a_check_that_the_end_of_a_term_refuses_says_nothing_of_the_database(
    shared: Bot, leadership: FakeLeadership
):
    leadership.is_held = True
    shared.store.error = LeadershipLost("Another process leads.")

    assert (await shared.report.live()).database is DatabaseState.OK


async def test_an_admin_reads_who_leads_and_who_stands_by(shared: Bot, leadership: FakeLeadership):
    leadership.is_held = True

    found = (await shared.report.describe()).leadership

    assert found is not None
    assert (found.leader, found.standbys, found.epoch) == ("a:1", ["b:2"], 7)


async def test_an_admin_whom_a_standby_answers_reads_so_and_not_its_own_last_term(
    shared: Bot, leadership: FakeLeadership
):
    leadership.known[-1] = replace(leadership.known[-1], is_self=True)

    found = (await shared.report.describe()).leadership

    assert found is not None
    assert (found.leader, found.answering_standby, found.epoch) == ("a:1", "b:2", None)
