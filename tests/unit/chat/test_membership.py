import logging

import pytest

from storage.models import Chat, WatchState
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, EVE, FOREIGN_GROUP, GROUP, ChatHarness, named

SAMPLES = {"id": GROUP, "type": "supergroup", "title": "Films"}
PRIVATE = {"id": ANN, "type": "private", "first_name": "Ann"}
RIGHTS = [
    "can_add_web_page_previews",
    "can_change_info",
    "can_edit_tag",
    "can_invite_users",
    "can_manage_topics",
    "can_pin_messages",
    "can_react_to_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_messages",
    "can_send_other_messages",
    "can_send_photos",
    "can_send_polls",
    "can_send_video_notes",
    "can_send_videos",
    "can_send_voice_notes",
]
NEW = -1009
RESTRICTED = {"status": "restricted"} | dict.fromkeys(RIGHTS, True)


async def change(harness: ChatHarness, chat: updates.Json, after: updates.Json, **fields: str) -> None:
    update = updates.membership(chat, ANN, before="left", after=after, **fields)
    assert await harness.receive(update, kind="my_chat_member") == []


async def state_of_the_watch(harness: ChatHarness, chat_id: int) -> WatchState:
    (found,) = await harness.store.watches_of(chat_id, "id-1")
    return found.watch.state


async def test_a_chat_that_adds_the_bot_is_stored_with_its_language(harness):
    await change(harness, SAMPLES, {"status": "member"}, language="zh-hans")
    assert await harness.store.chat(GROUP) == Chat(id=GROUP, title="Films", language="zh")


@pytest.mark.parametrize(
    "after", [{"status": "kicked"}, {"status": "left"}, RESTRICTED | {"is_member": False}]
)
async def test_removing_the_bot_suspends_the_watches_of_the_chat(harness, after):
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))
    await change(harness, SAMPLES, after)
    assert await state_of_the_watch(harness, GROUP) is WatchState.SUSPENDED
    chat = await harness.store.chat(GROUP)
    assert chat is not None
    assert chat.disabled_reason == after["status"]


async def test_a_group_without_access_is_neither_stored_nor_logged(harness, caplog):
    caplog.set_level(logging.INFO)
    strange = SAMPLES | {"id": FOREIGN_GROUP}
    for status in ("member", "kicked", "member"):
        update = updates.membership(strange, EVE, before="left", after={"status": status})
        await harness.receive(update, kind="my_chat_member")
    assert await harness.store.chat(FOREIGN_GROUP) is None
    assert caplog.records == []


async def test_a_group_to_which_an_allowed_user_adds_the_bot_is_stored(harness):
    await change(harness, SAMPLES | {"id": FOREIGN_GROUP}, {"status": "member"})
    assert await harness.store.chat(FOREIGN_GROUP) is not None


@pytest.mark.parametrize("after", [{"status": "member"}, RESTRICTED | {"is_member": True}])
async def test_adding_the_bot_again_resumes_the_watches(harness, after):
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))
    await change(harness, SAMPLES, {"status": "kicked"})
    await change(harness, SAMPLES, after)
    assert await state_of_the_watch(harness, GROUP) is WatchState.ACTIVE
    chat = await harness.store.chat(GROUP)
    assert chat is not None
    assert chat.disabled_reason is None


async def test_unblocking_the_bot_resumes_the_watches(harness):
    await harness.receive(updates.private(ANN, "/watch wan id-1"))
    await change(harness, PRIVATE, {"status": "kicked"})
    assert await state_of_the_watch(harness, ANN) is WatchState.SUSPENDED
    await change(harness, PRIVATE, {"status": "member"})
    assert await state_of_the_watch(harness, ANN) is WatchState.ACTIVE


@pytest.mark.parametrize(
    ("chat_id", "service_message"),
    [(-77, {"migrate_to_chat_id": GROUP}), (GROUP, {"migrate_from_chat_id": -77})],
)
async def test_a_migrated_group_keeps_its_watches(harness, chat_id, service_message, caplog):
    await harness.receive(updates.group(-77, ANN, "/watch wan id-1"))
    caplog.set_level(logging.INFO)
    message = updates.group(chat_id, ANN, "", **service_message)
    del message["text"]
    assert await harness.receive(message) == []
    (found,) = await harness.service.active(GROUP)
    assert found.task.ref.external_id == "id-1"
    assert await harness.service.active(-77) == []
    assert "Group -77 migrated to -1001" in caplog.text


async def test_a_migrated_group_keeps_its_access_also_after_a_restart(harnesses):
    harness = await harnesses.make(named("wan", "alibailian"), allowed_ids=(-77,))
    moved = updates.group(-77, EVE, "", migrate_to_chat_id=NEW)
    del moved["text"]
    await harness.receive(moved)
    assert "id-1" in "".join(await harness.receive(updates.group(NEW, EVE, "/status id-1")))

    restarted = await harnesses.make(named("wan", "alibailian"), allowed_ids=(-77,))
    assert "id-1" in "".join(await restarted.receive(updates.group(NEW, EVE, "/status id-1")))


async def test_a_group_without_access_gains_none_by_a_migration(harness, caplog):
    caplog.set_level(logging.INFO)
    moved = updates.group(-78, EVE, "", migrate_to_chat_id=NEW)
    del moved["text"]
    await harness.receive(moved)
    (answer,) = await harness.receive(updates.group(NEW, EVE, "/status id-1"))
    assert answer.startswith("This bot is private.")
    assert "migrated" not in caplog.text
