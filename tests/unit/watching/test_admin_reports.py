"""Reports to the admins about gateways."""

from collections.abc import Sequence

import pytest

from bot.messages.views.admin import gateway_changed
from bot.providers.base import BadResponse, ProviderError, Unavailable
from bot.proxies.diagnosis import ProxyFault
from bot.watching.admin_reports import AdminReports, Admins
from bot.watching.gateway_state import GatewayStates
from storage.models import Cause, Chat, DeliveryState
from storage.outbox import ReportDelivery, Settlement
from storage.store import Store
from tests.fakes.clock import FrozenClock
from tests.unit.messages.reading import visible
from tests.unit.watching.tasks import AWAY


class Scene:
    """A gateway, and the reports about it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = FrozenClock()
        self.sent: list[tuple[int, str]] = []
        self.notified = 0
        self.is_telegram_away = False
        self.proxy: str | None = None
        self.restart()

    def restart(self) -> None:
        """Create everything again on the same store."""
        self.states = GatewayStates(clock=self.clock, proxy=self.proxy)
        self.other = self.states.add(["veo"], "other.example")
        self.state = self.states.add(["wan"], "gateway.example")
        self.reports = AdminReports(
            self.store,
            self.states,
            admins=Admins(ids=[7, 8], language="auto"),
            waiting=lambda _names: 20,
            clock=self.clock,
            notify=self._notify,
        )

    def _notify(self) -> None:
        self.notified += 1

    async def advance(self, seconds: int, *, away: bool, error: ProviderError = AWAY) -> None:
        """Poll two tasks, check and deliver each second."""
        for _ in range(seconds):
            for task_id in (1, 2):
                self.state.on_poll(task_id, error if away else None, at=self.clock())
            self.clock.advance(1.0)
            await self.reports.check()
            if not self.is_telegram_away:
                await self._deliver()

    async def _deliver(self) -> None:
        while found := await self.store.claim_deliveries(9, at=self.clock(), lease_s=60):
            for out in found:
                assert isinstance(out, ReportDelivery)
                self.sent.append((out.delivery.chat_id, visible(gateway_changed(out.report).text)))
                sent = Settlement(state=DeliveryState.SENT, at=self.clock(), message_id=1)
                await self.store.settle(out.delivery.id, sent)

    def texts_to(self, admin: int) -> Sequence[str]:
        return [text for chat_id, text in self.sent if chat_id == admin]


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


async def test_each_admin_gets_one_message_per_outage_and_one_per_recovery(scene: Scene):
    await scene.advance(5, away=False)
    await scene.advance(240, away=True)
    await scene.advance(60, away=False)

    for admin in (7, 8):
        outage, end = scene.texts_to(admin)
        assert outage == "⚠️ gateway.example (wan) isn't responding.\n20 tasks are waiting for it."
        assert end.startswith("✅ gateway.example (wan) is working again.")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (ProxyFault.REFUSED, "refuses connections."),
        (ProxyFault.SILENT, "isn't responding."),
        (ProxyFault.LOGIN, "rejects the user name and password in PROVIDER_PROXY."),
        (ProxyFault.PROTOCOL, "is of another kind."),
        (ProxyFault.UNKNOWN_NAME, "has a name that can't be resolved."),
        (ProxyFault.UNTRUSTED, "has a certificate that isn't trusted."),
    ],
)
async def test_a_dead_proxy_is_one_report_for_all_gateways_and_one_of_its_end(
    scene: Scene, fault: ProxyFault, text: str
):
    dead = Unavailable("the proxy …", cause=Cause.PROXY)
    dead.proxy_fault = fault
    scene.proxy = "socks5://p.example:1"
    scene.restart()

    for _ in range(40):
        scene.other.on_poll(3, dead, at=scene.clock())
        await scene.advance(1, away=True, error=dead)
    scene.other.on_poll(3, None, at=scene.clock())
    await scene.advance(30, away=False)

    outage, end = scene.texts_to(7)
    assert outage.startswith(f"⚠️ My proxy for the gateways, socks5://p.example:1, {text}")
    assert outage.endswith("20 tasks are waiting for it.")
    assert end.startswith("✅ My proxy for the gateways, socks5://p.example:1, is working again.")


async def test_the_report_names_the_host_that_a_gateway_redirects_to(scene: Scene):
    elsewhere = BadResponse("login.example", cause=Cause.REDIRECTED)

    await scene.advance(40, away=True, error=elsewhere)

    [text] = scene.texts_to(7)
    assert text.startswith("⚠️ gateway.example (wan) redirects to login.example. Check its BASE_URL.")


async def test_a_short_outage_is_not_reported(scene: Scene):
    await scene.advance(25, away=True)
    await scene.advance(60, away=False)

    assert scene.sent == []


async def test_a_flapping_gateway_is_reported_once(scene: Scene):
    for _ in range(5):
        await scene.advance(60, away=True)
        await scene.advance(5, away=False)

    assert len(scene.texts_to(7)) == 1


async def test_a_restart_during_an_outage_repeats_and_loses_no_report(scene: Scene):
    await scene.advance(60, away=True)
    scene.restart()
    await scene.advance(60, away=True)
    scene.restart()
    await scene.advance(60, away=False)

    assert len(scene.texts_to(7)) == 2
    assert "working again" in scene.texts_to(7)[1]


async def test_the_delivery_worker_is_notified_of_each_change(scene: Scene):
    await scene.advance(60, away=True)
    assert scene.notified == 2

    await scene.advance(20, away=False)
    assert scene.notified == 4


async def test_an_outage_that_telegram_s_outage_outlasts_is_not_reported(scene: Scene):
    scene.is_telegram_away = True
    await scene.advance(60, away=True)
    await scene.advance(60, away=False)
    scene.is_telegram_away = False
    await scene.advance(60, away=False)

    assert scene.sent == []


async def test_a_report_that_waits_shows_how_the_gateway_fails_now(scene: Scene):
    scene.is_telegram_away = True
    await scene.advance(60, away=True)
    await scene.advance(10, away=True, error=BadResponse("login.example", cause=Cause.REDIRECTED))
    scene.is_telegram_away = False
    await scene.advance(60, away=True, error=BadResponse("login.example", cause=Cause.REDIRECTED))

    [text] = scene.texts_to(7)
    assert "redirects to login.example" in text


async def test_a_change_while_a_report_is_being_sent_is_reported_afterwards(scene: Scene):
    scene.is_telegram_away = True
    await scene.advance(40, away=True)
    in_hand = await scene.store.claim_deliveries(9, at=scene.clock(), lease_s=600)
    assert len(in_hand) == 2
    await scene.advance(20, away=False)
    for out in in_hand:
        sent = Settlement(state=DeliveryState.SENT, at=scene.clock(), message_id=1)
        await scene.store.settle(out.delivery.id, sent)
    scene.is_telegram_away = False

    await scene.advance(1, away=False)

    [text] = scene.texts_to(7)
    assert "working again" in text


async def test_a_report_is_in_the_language_of_the_admin(scene: Scene):
    await scene.store.save_chat(Chat(id=8, title="", language="zh"), at=scene.clock())

    await scene.advance(60, away=True)

    assert "isn't responding" in scene.texts_to(7)[0]
    assert "isn't responding" not in scene.texts_to(8)[0]
