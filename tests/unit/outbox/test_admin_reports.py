"""Reports to the admins about gateways."""

from collections.abc import Sequence

import pytest

from bot.messages.view import View
from bot.outbox.admin_reports import AdminReports, Admins
from bot.outbox.results import ChatGone, SendResult, Sent, Transient, Unknown
from bot.outbox.sender import ChatAddress
from bot.providers.base import BadAnswer, ProviderError
from bot.watching.gateway_state import GatewayStates
from storage.models import Cause
from storage.store import Store
from tests.fakes.clock import FrozenClock
from tests.unit.messages.reading import visible
from tests.unit.watching.tasks import AWAY


class FakeSender:
    """Records messages; returns the given results, then Sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        self.results: list[SendResult] = []

    async def send(self, address: ChatAddress, view: View) -> SendResult:
        self.sent.append((address.chat_id, visible(view.text)))
        return self.results.pop(0) if self.results else Sent(1)


class Scene:
    """A gateway, and the reports about it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = FrozenClock()
        self.sender = FakeSender()
        self.restart()

    def restart(self) -> None:
        """Create everything again on the same store."""
        self.states = GatewayStates(clock=self.clock)
        self.state = self.states.add(["wan"], "gateway.example")
        self.reports = AdminReports(
            self.store,
            self.sender.send,
            self.states,
            admins=Admins(ids=[7, 8], language="en"),
            waiting=lambda _names: 20,
            clock=self.clock,
        )

    async def advance(self, seconds: int, *, away: bool, error: ProviderError = AWAY) -> None:
        """Poll two tasks and check each second."""
        for _ in range(seconds):
            for task_id in (1, 2):
                self.state.on_poll(task_id, error if away else None, at=self.clock())
            self.clock.advance(1.0)
            await self.reports.check()

    def texts_to(self, admin: int) -> Sequence[str]:
        return [text for chat_id, text in self.sender.sent if chat_id == admin]


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


async def test_the_report_names_the_host_that_a_gateway_redirects_to(scene: Scene):
    elsewhere = BadAnswer("login.example", cause=Cause.REDIRECTED)

    await scene.advance(40, away=True, error=elsewhere)

    [text] = scene.texts_to(7)
    assert text.startswith("⚠️ gateway.example (wan) redirects to login.example. Check its BASE_URL.")


async def test_a_short_outage_is_not_reported(scene: Scene):
    await scene.advance(25, away=True)
    await scene.advance(60, away=False)

    assert scene.sender.sent == []


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


async def test_a_report_that_was_not_sent_is_retried(scene: Scene):
    scene.sender.results = [Transient("no route"), Sent(1)]
    await scene.advance(120, away=True)

    assert len(scene.texts_to(7)) == 2
    assert len(scene.texts_to(8)) == 1


@pytest.mark.parametrize("result", [ChatGone("blocked"), Unknown("timed out")])
async def test_a_report_with_an_unknown_or_permanent_outcome_is_not_retried(scene: Scene, result: SendResult):
    scene.sender.results = [result]
    await scene.advance(120, away=True)

    assert len(scene.texts_to(7)) == 1
