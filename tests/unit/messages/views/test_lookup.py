from dataclasses import replace

from bot.messages.views.lookup import lookup
from storage.lookups import Lookup, LookupState
from tests.unit.messages.reading import visible

ASKED = Lookup(
    id=3,
    state=LookupState.ASKING,
    chat_id=1,
    message_id=7,
    user_id=42,
    language="en",
    external_ids=("id-1",),
    providers=("wan", "<b>&", "sora"),
    answer=None,
    question_message_id=None,
)


def test_the_question_has_a_button_for_each_provider():
    view = lookup(ASKED)
    assert visible(view.text) == "Which provider is this from? id-1"
    assert [[button.label for button in row] for row in view.buttons] == [["wan", "<b>&"], ["sora"]]
    assert view.buttons[1][0].action == "from1|3|2"


def test_a_question_that_is_over_says_what_came_of_it():
    answered = lookup(replace(ASKED, state=LookupState.ANSWERED, answer="<b>&"))
    over = lookup(replace(ASKED, state=LookupState.UNANSWERED, external_ids=("id-1", "id-2")))
    assert visible(answered.text) == "id-1 is from <b>&."
    assert visible(over.text) == "Nobody chose a provider, so I'm not watching id-1, id-2."
    assert answered.buttons == over.buttons == ()


def test_many_ids_and_providers_fit_into_a_message():
    view = lookup(replace(ASKED, external_ids=("x" * 512,) * 50, providers=("y" * 500,) * 300))
    assert len(view.text) < 600
    assert sum(len(row) for row in view.buttons) == 40
