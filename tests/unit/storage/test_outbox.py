"""What makes a sound, by the kind of a delivery and the choice of its chat."""

from dataclasses import replace

import pytest

from storage.access import Greeting
from storage.chat_settings import ChatSettings, Sound
from storage.models import DeliveryKind
from storage.outbox import AccessDelivery, ChatAddress, Delivery, ReportDelivery, WatchDelivery
from tests.contract.store.test_reports import failure
from tests.unit.messages.builders import succeeded

RESULTS = (DeliveryKind.RESULT, DeliveryKind.COPY)
OF_WATCHES = (*RESULTS, DeliveryKind.CARD, DeliveryKind.NOTICE, DeliveryKind.DOCUMENT)
GREETING = Greeting(is_now_allowed=True, language="en")


def delivery(kind: DeliveryKind) -> Delivery:
    return Delivery(id=1, address=ChatAddress(chat_id=1), kind=kind)


@pytest.mark.parametrize("kind", OF_WATCHES)
def test_by_default_only_results_and_their_copies_make_a_sound(kind: DeliveryKind):
    what = succeeded()
    out = WatchDelivery(delivery=delivery(kind), watch=what.watch, task=what.task)

    assert out.is_silent is (kind not in RESULTS)
    assert not replace(out, settings=ChatSettings(sound=Sound.ALL)).is_silent
    assert replace(out, settings=ChatSettings(sound=Sound.NONE)).is_silent


def test_what_waits_for_an_admin_counts_as_a_result_and_a_greeting_does_not():
    report = ReportDelivery(delivery=delivery(DeliveryKind.REPORT), report=failure())
    greeting = AccessDelivery(delivery=delivery(DeliveryKind.GREETING), content=GREETING)
    question = replace(greeting, delivery=delivery(DeliveryKind.QUESTION))

    assert [each.is_silent for each in (report, question, greeting)] == [False, False, True]
    for out in (report, question, greeting):
        assert replace(out, settings=ChatSettings(sound=Sound.NONE)).is_silent
