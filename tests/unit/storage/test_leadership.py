"""A term: whether a process may act."""

import pytest

from storage.errors import LeadershipLost
from storage.leadership import SoleLeadership, Term
from tests.fakes.leadership import FakeLeadership


def test_a_process_that_shares_its_database_with_no_other_may_always_act():
    term = Term(SoleLeadership())

    term.ensure()
    assert not term.is_shared


def test_a_process_may_act_while_it_holds_the_leadership():
    leadership = FakeLeadership(is_held=True)
    term = Term(leadership)
    term.ensure()
    assert term.is_shared

    leadership.is_held = False
    with pytest.raises(LeadershipLost):
        term.ensure()


def test_a_term_that_is_over_does_not_go_on_with_the_next_one():
    term = Term(FakeLeadership(is_held=True))
    term.end()

    assert not term.is_on
    with pytest.raises(LeadershipLost):
        term.ensure()
