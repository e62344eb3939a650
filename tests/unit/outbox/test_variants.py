"""In which order the forms of a video are tried."""

from dataclasses import replace

import pytest

from bot.media.cache import Prepared
from bot.media.video import Fault, VideoFile
from bot.outbox.variants import downloaded_variants, stored_variants
from storage.chat_settings import ChatSettings, ResultForm
from storage.models import DeliveryKind, Media, StoredFile
from storage.outbox import ChatAddress, Delivery, WatchDelivery
from tests.unit.messages.builders import succeeded

RESULT, COPY, DOCUMENT = DeliveryKind.RESULT, DeliveryKind.COPY, DeliveryKind.DOCUMENT
VIDEO, FILE, BOTH = ResultForm
PLAYABLE = StoredFile(file_id="video", is_video=True)
AS_DOCUMENT = StoredFile(file_id="document", is_video=False)
UNPLAYABLE = StoredFile(file_id="vp9", is_video=False, unplayable="vp9")


def outgoing(kind: DeliveryKind, form: ResultForm) -> WatchDelivery:
    what = succeeded()
    return WatchDelivery(
        delivery=Delivery(id=1, address=ChatAddress(chat_id=1), kind=kind),
        watch=what.watch,
        task=what.task,
        settings=ChatSettings(result_form=form),
    )


@pytest.mark.parametrize(
    ("kind", "form", "first", "last"),
    [
        (RESULT, VIDEO, ["video"], ["document"]),
        (RESULT, BOTH, ["video"], ["document"]),
        (RESULT, FILE, ["document"], ["video"]),
        (COPY, VIDEO, ["video", "document"], []),
        (COPY, FILE, ["document", "video"], []),
        (DOCUMENT, BOTH, ["document"], []),
        (DOCUMENT, VIDEO, ["document"], []),
    ],
)
def test_what_telegram_has_is_sent_in_the_form_that_the_chat_wants(
    kind: DeliveryKind, form: ResultForm, first: list[str], last: list[str]
):
    stored = stored_variants(outgoing(kind, form), PLAYABLE, AS_DOCUMENT)

    assert [video.source for video in stored.first] == first
    assert [video.source for video in stored.last] == last


@pytest.mark.parametrize("form", ResultForm)
def test_an_unplayable_video_is_a_document_for_all(form: ResultForm):
    [video] = stored_variants(outgoing(RESULT, form), UNPLAYABLE, None).first

    assert (video.source, video.is_video, video.unplayable) == ("vp9", False, "vp9")


def test_a_document_alone_does_not_replace_the_video():
    stored = stored_variants(outgoing(RESULT, VIDEO), None, AS_DOCUMENT)

    assert list(stored.first) == []


def test_downloads_are_tried_in_the_form_that_the_chat_wants():
    video, document = VideoFile(source="a"), VideoFile(source="b", is_video=False)
    prepared = Prepared(media=Media(url="https://cdn.example/a.mp4"), variants=[video, document])

    assert downloaded_variants(outgoing(RESULT, VIDEO), prepared) == [video, document]
    assert downloaded_variants(outgoing(RESULT, FILE), prepared) == [document, video]
    assert downloaded_variants(outgoing(DOCUMENT, BOTH), prepared) == [document]


def test_telegram_fetches_a_link_as_a_video_only():
    prepared = Prepared(media=Media(url="https://cdn.example/a.mp4"), fault=Fault.UNREACHABLE)

    assert [each.source for each in downloaded_variants(outgoing(RESULT, FILE), prepared)] == [
        "https://cdn.example/a.mp4"
    ]
    assert downloaded_variants(outgoing(DOCUMENT, BOTH), prepared) == []
    private = replace(prepared, fault=Fault.PRIVATE)
    assert downloaded_variants(outgoing(RESULT, VIDEO), private) == []
