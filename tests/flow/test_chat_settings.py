"""What a chat has chosen in /settings, as the delivery does it."""

import asyncio

import pytest

from bot.sandbox.faults import LOST_RESPONSE, Fault, held
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server import Request
from storage.chat_settings import ChatSettings, ResultForm, Sound
from storage.models import DeliveryKind
from storage.outbox import CopyRequest
from tests.flow.delivery_harness import ANNA, BEN, GROUP, DeliveryHarness

FILE = ChatSettings(result_form=ResultForm.FILE)
BOTH = ChatSettings(result_form=ResultForm.BOTH)


def files(harness: DeliveryHarness, chat: int = ANNA) -> list[str]:
    """The kinds of the files that the chat has, in order."""
    return [each.attachment.kind for each in harness.bot_messages(chat) if each.attachment]


async def choose(harness: DeliveryHarness, settings: ChatSettings, chat: int = ANNA) -> None:
    await harness.store.save_chat_settings(chat, settings)


@pytest.mark.parametrize(("sound", "silent"), [(Sound.ALL, 0), (Sound.RESULTS, 1), (Sound.NONE, 2)])
async def test_the_chat_chooses_what_makes_a_sound(harness: DeliveryHarness, sound: Sound, silent: int):
    await choose(harness, ChatSettings(sound=sound))

    await harness.deliver(harness.task(fails="no"))

    sent = [request.params.get("disable_notification") for request in harness.calls("sendMessage")]
    assert sent == ["true"] * silent + [None] * (2 - silent)


async def test_a_video_sent_as_a_new_message_is_silent_as_chosen(harness: DeliveryHarness):
    await choose(harness, ChatSettings(sound=Sound.NONE), GROUP)
    harness.telegram.forbid(GROUP, "text messages")

    await harness.deliver(harness.task(), GROUP)

    [request] = harness.calls("sendVideo")
    assert request.params["disable_notification"] == "true"


async def test_a_result_as_a_file_is_the_document_alone(harness: DeliveryHarness):
    await choose(harness, FILE)
    task = harness.task()

    await harness.deliver(task)

    document = harness.result().document
    assert document
    assert document.file.content == task.served.content
    assert files(harness) == ["document"]


async def test_a_file_is_uploaded_once_and_the_video_is_not_mistaken_for_it(harness: DeliveryHarness):
    await choose(harness, FILE)
    task = harness.task()
    await harness.deliver(task)
    await harness.deliver(task, BEN)
    await choose(harness, FILE, GROUP)
    await harness.deliver(task, GROUP)

    assert files(harness, BEN) == ["video"]
    assert files(harness, GROUP) == ["document"]
    assert harness.bot_messages(GROUP)[-1].attachment == harness.result().attachment


async def test_a_chat_that_wants_files_gets_the_stored_video_when_the_link_is_dead(harness: DeliveryHarness):
    task = harness.task()
    await harness.deliver(task, BEN)
    await choose(harness, FILE)
    harness.gateway.fail("files", Fault(status=404), times=None)
    await harness.deliver(task)
    for _ in range(8):
        await harness.advance(60)

    assert files(harness) == ["video"]


async def test_a_chat_that_wants_files_and_forbids_them_gets_the_video(harness: DeliveryHarness):
    await choose(harness, FILE, GROUP)
    harness.telegram.forbid(GROUP, "documents")

    await harness.deliver(harness.task(), GROUP)

    assert files(harness, GROUP) == ["video"]


async def test_both_is_the_video_and_then_its_document_as_a_reply(harness: DeliveryHarness):
    await choose(harness, BOTH)
    task = harness.task()

    await harness.deliver(task)

    video, document = _videos(harness)
    assert (video.video is not None, document.document is not None) == (True, True)
    assert document.reply_to == video.message_id
    assert document.document
    assert document.document.file.content == task.served.content
    assert "Original file" in document.plain_text
    assert task.served.downloads == 1
    assert not list(harness.downloads.iterdir())
    [_, _, announcement] = harness.calls("sendMessage")
    assert announcement.params["disable_notification"] == "true"


async def test_both_survives_a_crash_between_the_two(harness: DeliveryHarness):
    await choose(harness, BOTH)
    gate = asyncio.Event()
    harness.telegram.fail("editMessageMedia", held(gate), when=_is_document)
    await harness.watch_and_poll(harness.task())
    await harness.until(lambda: len(harness.calls("editMessageMedia")) > 1)
    await harness.crash()
    gate.set()
    for _ in range(10):
        await harness.advance(10)

    assert files(harness) == ["video", "document"]


async def test_a_document_whose_response_is_lost_arrives_once(harness: DeliveryHarness):
    await choose(harness, BOTH)
    harness.telegram.fail("editMessageMedia", LOST_RESPONSE, when=_is_document)
    await harness.deliver(harness.task())
    for _ in range(10):
        await harness.advance(10)

    assert files(harness) == ["video", "document"]


async def test_both_in_a_chat_without_videos_is_the_document_once(harness: DeliveryHarness):
    await choose(harness, BOTH, GROUP)
    harness.telegram.forbid(GROUP, "videos")

    await harness.deliver(harness.task(), GROUP)

    assert files(harness, GROUP) == ["document"]


async def test_a_document_that_can_t_be_sent_leaves_a_sentence(harness: DeliveryHarness):
    await choose(harness, BOTH, GROUP)
    harness.telegram.forbid(GROUP, "documents")

    await harness.deliver(harness.task(), GROUP)

    assert files(harness, GROUP) == ["video"]
    assert "The original file can't be sent here" in harness.bot_messages(GROUP)[-1].plain_text


async def test_a_copy_is_sent_from_telegram_s_own_file(harness: DeliveryHarness):
    task = harness.task()
    await harness.deliver(task)
    [watched] = await harness.store.history(ANNA, ending=None, provider=None, offset=0, limit=9)
    request = CopyRequest(watch_id=watched.watch.id, chat_id=ANNA, kind=DeliveryKind.COPY, press="1")
    for _ in range(2):
        assert await harness.store.send_copy(request, at=harness.clock())
        await harness.idle()

    first, copy = _videos(harness)
    assert copy.attachment == first.attachment
    assert task.served.downloads == 1


def _videos(harness: DeliveryHarness) -> list[Message]:
    return [each for each in harness.bot_messages() if each.attachment]


def _is_document(request: Request) -> bool:
    return "document" in str(request.params["media"])
