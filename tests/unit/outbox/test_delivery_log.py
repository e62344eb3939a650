"""One line for each video that arrives, each loss, and the first refusal."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.outbox.delivery_log import log_settled
from bot.outbox.results import LinkOnly, Refusal, Refused, RetryAfter, SendResult, Sent, Transient, Unknown
from storage.models import DeliveryKind, DeliveryState, StoredFile
from storage.outbox import Settlement, WatchDelivery
from storage.store import Store
from tests.contract.store.driver import NOON, Driver
from tests.fakes.log_lines import json_lines

SETTLED_AT = NOON + timedelta(seconds=7)
CHAT = 100
FILE = StoredFile(file_id="f", is_video=True, size=3_240_000)


@pytest.fixture
async def video(store: Store) -> WatchDelivery:
    return await Driver(store).claim_video(watched_s=100)


def of_kind(out: WatchDelivery, kind: DeliveryKind, *, attempts: int = 1) -> WatchDelivery:
    return replace(out, delivery=replace(out.delivery, kind=kind, attempts=attempts))


@pytest.fixture(autouse=True)
def _all_facts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot")


def settle(out: WatchDelivery, result: SendResult, state: DeliveryState) -> None:
    log_settled(out, result, Settlement(state=state, at=SETTLED_AT))


def test_a_video_is_logged_with_its_form_its_size_and_how_late_it_is(
    video: WatchDelivery, caplog: pytest.LogCaptureFixture
):
    settle(video, Sent(5, FILE), DeliveryState.SENT)

    [line] = json_lines(caplog.records)
    assert line["message"] == (
        f"Delivered the video of wan t1 to chat {CHAT}: as a video, 3.24 MB, 7 s after the task's end"
    )
    assert (line["event"], line["form"], line["size"], line["late_s"]) == (
        "delivered",
        "video",
        3_240_000,
        7.0,
    )
    assert (line["provider"], line["task"], line["chat_id"], line["kind"]) == ("wan", "t1", CHAT, "result")


def test_links_copies_and_files_are_named_as_such(video: WatchDelivery, caplog: pytest.LogCaptureFixture):
    settle(video, LinkOnly("too_large"), DeliveryState.DEAD)
    settle(of_kind(video, DeliveryKind.COPY), Sent(5, FILE), DeliveryState.SENT)
    settle(of_kind(video, DeliveryKind.DOCUMENT), Sent(5, is_document=True), DeliveryState.SENT)

    assert caplog.messages == [
        f"Delivered the video of wan t1 to chat {CHAT}: as a link (too_large), 7 s after the task's end",
        f"Delivered the copy of the video of wan t1 to chat {CHAT}: as a video, 3.24 MB",
        f"Delivered the original file of wan t1 to chat {CHAT}: as a file",
    ]


@pytest.mark.parametrize(
    ("result", "state", "line"),
    [
        (Unknown("lost"), DeliveryState.UNKNOWN, ("WARNING", "delivery_unconfirmed")),
        (Refused(Refusal.TOO_LARGE, "no"), DeliveryState.DEAD, ("ERROR", "delivery_failed")),
        (Refused(Refusal.NO_RIGHTS, "no"), DeliveryState.PENDING, ("WARNING", "chat_refuses")),
    ],
)
def test_losses_and_the_first_refusal_are_told(
    video: WatchDelivery,
    caplog: pytest.LogCaptureFixture,
    *,
    result: SendResult,
    state: DeliveryState,
    line: tuple[str, str],
):
    settle(video, result, state)
    assert [(record.levelname, vars(record)["event"]) for record in caplog.records] == [line]


def test_cards_and_repetitions_are_not_told(video: WatchDelivery, caplog: pytest.LogCaptureFixture):
    settle(of_kind(video, DeliveryKind.CARD), Sent(5), DeliveryState.SENT)
    settle(of_kind(video, DeliveryKind.CARD), Refused(Refusal.NO_MESSAGE, "no"), DeliveryState.DEAD)
    settle(of_kind(video, DeliveryKind.CARD), Refused(Refusal.NO_RIGHTS, "no"), DeliveryState.PENDING)
    refused = Refused(Refusal.NO_RIGHTS, "no")
    settle(of_kind(video, DeliveryKind.RESULT, attempts=2), refused, DeliveryState.PENDING)
    for result in (RetryAfter(5), Transient("slow", retry_in_s=2.0), Transient("away")):
        settle(video, result, DeliveryState.PENDING)
    assert caplog.messages == []
