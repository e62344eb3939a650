from dataclasses import dataclass

import pytest

from bot.health.store_check import GOOD_FOR_S, PATIENCE_S, DatabaseState, StoreCheck
from storage.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreUnavailable
from tests.fakes.clock import SteadyClock
from tests.unit.health.fake_store import FakeStore


@dataclass
class Checked:
    """A check and what it depends on."""

    store: FakeStore
    clock: SteadyClock
    check: StoreCheck


@pytest.fixture
async def checked() -> Checked:
    store, clock = FakeStore(), SteadyClock()
    return Checked(store, clock, StoreCheck(store, clock=clock, response_s=0.01))


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (StoreFull("The disk is full."), DatabaseState.FULL),
        (StoreUnavailable("It is read-only."), DatabaseState.FAILING),
        (StoreCorrupt("It is damaged."), DatabaseState.FAILING),
    ],
)
async def test_a_write_that_fails_counts_at_once_and_until_one_succeeds(
    checked: Checked, error: StoreError, state: DatabaseState
):
    checked.store.error = error
    assert await checked.check.state() is state

    checked.store.error = None
    checked.clock.advance(3)
    assert await checked.check.state() is DatabaseState.OK


async def test_a_good_result_is_reused_for_a_while(checked: Checked):
    for _ in range(50):
        assert await checked.check.state() is DatabaseState.OK
    assert checked.store.checks == 1

    checked.clock.advance(GOOD_FOR_S)
    await checked.check.state()
    assert checked.store.checks == 2


async def test_a_check_that_only_waits_is_no_problem_until_it_waits_for_too_long(checked: Checked):
    checked.store.responds.clear()
    assert await checked.check.state() is DatabaseState.OK

    checked.clock.advance(PATIENCE_S - 1)
    assert await checked.check.state() is DatabaseState.OK

    checked.clock.advance(1)
    assert await checked.check.state() is DatabaseState.HUNG
    assert (checked.store.checks, checked.store.checks_in_progress) == (1, 1)  # they do not pile up

    checked.store.responds.set()
    assert await checked.check.state() is DatabaseState.OK


async def test_a_lock_of_another_process_counts_only_if_it_lasts(checked: Checked):
    checked.store.error = StoreBusy("It is locked.")
    assert await checked.check.state() is DatabaseState.OK
    checked.clock.advance(PATIENCE_S / 2)
    assert await checked.check.state() is DatabaseState.OK
    checked.clock.advance(PATIENCE_S / 2)
    assert await checked.check.state() is DatabaseState.HUNG

    checked.store.error = None
    assert await checked.check.state() is DatabaseState.OK
    checked.clock.advance(GOOD_FOR_S)
    checked.store.error = StoreBusy("It is locked again.")
    assert await checked.check.state() is DatabaseState.OK
