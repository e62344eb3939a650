"""The life table: what it learns, and the expected delay."""

import json
import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.forecast.life_table import LifeTable

ages_s = st.floats(0, 20_000)
lives = st.lists(st.tuples(st.floats(0, 5_000), st.floats(0.001, 600)), max_size=30)


def learned(*polls: tuple[float, float]) -> LifeTable:
    """A table of tasks watched from submission: for each, its last age seen alive, and the gap after."""
    table = LifeTable()
    for seen_s, gap_s in polls:
        table.survived(0, seen_s)
        table.ended(seen_s, seen_s + gap_s)
    return table


def hazard(table: LifeTable, age_s: float) -> float:
    """The hazard, derived from the expected delay of a short gap."""
    return 2 * table.expected_delay_s(age_s, age_s + 0.01) / 0.01**2


@settings(max_examples=200)
@given(lives=lives, seen_s=ages_s, price_s=st.floats(0.01, 100))
def test_the_expected_delay_reaches_the_price_when_a_poll_is_due(
    lives: list[tuple[float, float]], seen_s: float, price_s: float
):
    table = learned(*lives)

    due_s = table.due(seen_s, price_s)

    assert due_s > seen_s
    assert table.expected_delay_s(seen_s, due_s) == pytest.approx(price_s, rel=0.01, abs=0.002)


@settings(max_examples=200)
@given(lives=lives, seen_s=ages_s, gaps_s=st.tuples(st.floats(0, 2_000), st.floats(0, 2_000)))
def test_the_expected_delay_grows_with_the_gap_and_never_exceeds_it(
    lives: list[tuple[float, float]], seen_s: float, gaps_s: tuple[float, float]
):
    table = learned(*lives)
    short_s, long_s = sorted(gaps_s)

    short_debt_s, long_debt_s = (
        table.expected_delay_s(seen_s, seen_s + short_s),
        table.expected_delay_s(seen_s, seen_s + long_s),
    )

    assert -1e-6 <= short_debt_s <= long_debt_s + 1e-6
    assert long_debt_s <= long_s + 1e-6


def test_under_an_even_hazard_the_gap_is_kellers():
    table = LifeTable()
    seen_s, price_s = 20_000.0, 1.0  # in the last bin, which is open

    gap_s = table.due(seen_s, price_s) - seen_s

    assert gap_s == pytest.approx(math.sqrt(2 * price_s / hazard(table, seen_s)), rel=0.01)


@pytest.mark.parametrize("age_s", [0.0, 30.0, 300.0, 3000.0])
def test_before_anything_is_known_the_hazard_is_the_priors(age_s: float):
    assert hazard(LifeTable(), age_s) == pytest.approx(1 / (age_s + 30), rel=0.1)


def test_no_time_is_wasted_before_the_age_at_which_tasks_end():
    table = learned(*[(100.0, 1.0)] * 50)

    assert 80 < table.due(0, 1.0) < 110


def test_tasks_that_still_run_count_against_an_early_end():
    table = learned(*[(20.0, 1.0)] * 10)
    before = hazard(table, 20)

    for _ in range(100):
        table.survived(0, 60)

    assert hazard(table, 20) < before / 3


def test_a_task_registered_late_adds_no_time_at_risk_before():
    table = learned(*[(20.0, 1.0)] * 10)
    before = hazard(table, 20)

    for _ in range(100):
        table.survived(1000, 2000)

    assert hazard(table, 20) == pytest.approx(before)


def test_an_interval_censored_end_is_put_where_the_table_has_most_ends():
    known, unknown = learned(*[(100.0, 1.0)] * 20), LifeTable()
    for table in (known, unknown):
        table.survived(0, 40)
        table.ended(40, 200)

    assert hazard(known, 60) < hazard(unknown, 60) / 10


def test_what_was_learned_is_forgotten_over_some_hundreds_of_tasks():
    rng = Random(1)
    table = learned(*[(rng.uniform(300, 400), 5.0) for _ in range(300)])

    for _ in range(500):
        table.survived(0, 100)
        table.ended(100, 105)

    assert table.due(0, 1.0) < 110


def test_a_surprise_makes_the_table_forget_at_once():
    table = learned(*[(1000.0, 20.0)] * 150)
    before_s = table.due(0, 1.0)

    for _ in range(3):
        table.ended(0, 120)

    assert table.due(0, 1.0) < before_s / 4


def test_a_table_survives_json():
    table = learned((30.0, 5.0), (90.0, 10.0))

    again = LifeTable.from_plain(json.loads(json.dumps(table.to_plain())))

    assert again.due(10, 1.0) == table.due(10, 1.0)


def test_a_table_with_other_bins_is_refused():
    plain = LifeTable().to_plain()

    with pytest.raises(ValueError, match="bins"):
        LifeTable.from_plain(plain | {"deaths": plain["deaths"][:-1]})


@pytest.mark.parametrize(("since_s", "until_s"), [(50.0, 50.0), (50.0, 40.0)])
def test_polls_at_one_moment_or_out_of_order_do_no_harm(since_s: float, until_s: float):
    table = LifeTable()

    table.survived(since_s, until_s)
    table.ended(since_s, until_s)

    assert table.due(0, 1.0) > 0
