"""What the leader writes for the replicas that stand by."""

import asyncio

import pytest

from bot.watching.gateway_state import GatewayReport, GatewayStates, GatewayStatus
from bot.watching.leader_state import KnownGateways, LeaderState, keep_written
from storage.errors import LeadershipLost, StoreUnavailable
from tests.contract.store.driver import NOON

AWAY = GatewayReport(
    names=("sora", "veo"), host="gw.example", status=GatewayStatus.AWAY, since=NOON, http_status=502
)


class FakeStore:
    """Keeps what is saved; fails before, if it is told to."""

    def __init__(self, *errors: Exception) -> None:
        self.saved: list[str] = []
        self._errors = list(errors)

    async def save_leader_state(self, state: str) -> None:
        if self._errors:
            raise self._errors.pop()
        self.saved.append(state)


def test_a_state_is_read_as_it_was_written():
    state = LeaderState(gateways=(AWAY,), first_admin="0f")
    assert LeaderState.from_json(state.to_json()) == state


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "{}", '{"gateways": [{}]}', '{"gateways": 1}', '{"gateways": [{"names": 1}]}'],
)
def test_what_is_missing_or_of_another_version_is_empty(text: str | None):
    assert LeaderState.from_json(text) == LeaderState()


def test_the_hash_of_the_code_is_not_shown():
    assert "0f" not in repr(LeaderState(first_admin="0f"))


def test_a_process_that_leads_knows_the_gateways_by_its_own_polls_and_else_by_the_leaders():
    known = KnownGateways()
    assert (list(known.reports()), known.problem_of("sora")) == ([], None)
    known.written = LeaderState.from_json(LeaderState(gateways=(AWAY,)).to_json()).gateways
    assert (list(known.reports()), list(known.own_reports())) == ([AWAY], [])
    assert [known.problem_of(name) for name in ("veo", "wan")] == ["away", None]

    known.own = GatewayStates(clock=lambda: NOON)
    known.own.add(["veo"], "gw.example")
    assert [each.names for each in known.reports()] == [("veo",)]
    assert known.own_reports() == known.reports()
    assert known.problem_of("veo") is None


async def test_it_is_written_when_it_has_changed_and_again_after_a_failure():
    good, bad = LeaderState(), LeaderState(gateways=(AWAY,))
    states = iter([good, good, bad, bad])
    store = FakeStore(StoreUnavailable("away"))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await keep_written(store, lambda: next(states), sleep=lambda _: asyncio.sleep(0))
    assert [LeaderState.from_json(each) for each in store.saved] == [good, bad]


async def test_a_process_that_no_longer_leads_stops_writing():
    with pytest.raises(LeadershipLost):
        await keep_written(FakeStore(LeadershipLost("over")), LeaderState)
