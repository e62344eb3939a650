import logging

import pytest

from storage.models import Chat, WatchState
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, EVE, FOREIGN_GROUP, GROUP, ChatHarness, named

FILMS = {"id": GROUP, "type": "supergroup", "title": "Films"}
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


async def change(harness: ChatHarness, chat: updates.Json, after: updates.Json, **asked: str) -> None:
    update = updates.membership(chat, ANN, before="left", after=after, **asked)
    assert await harness.tell(update, kind="my_chat_member") == []


async def state_of_the_watch(harness: ChatHarness, chat_id: int) -> WatchState:
    (found,) = await harness.store.watches_of(chat_id, "id-1")
    return found.watch.state


async def test_a_chat_that_lets_the_bot_in_is_remembered_with_its_language(harness):
    await change(harness, FILMS, {"status": "member"}, language="zh-hans")
    assert await harness.store.chat(GROUP) == Chat(id=GROUP, title="Films", language="zh")


@pytest.mark.parametrize(
    "after", [{"status": "kicked"}, {"status": "left"}, RESTRICTED | {"is_member": False}]
)
async def test_a_chat_that_puts_the_bot_out_has_its_watches_parked(harness, after):
    await harness.tell(updates.group(GROUP, ANN, "/watch wan id-1"))
    await change(harness, FILMS, after)
    assert await state_of_the_watch(harness, GROUP) is WatchState.SUSPENDED
    chat = await harness.store.chat(GROUP)
    assert chat is not None
    assert chat.disabled_reason == after["status"]


async def test_nothing_is_remembered_of_a_stranger_s_group_and_its_coming_and_going_fills_no_log(
    harness, caplog
):
    caplog.set_level(logging.INFO)
    strange = FILMS | {"id": FOREIGN_GROUP}
    for status in ("member", "kicked", "member"):
        update = updates.membership(strange, EVE, before="left", after={"status": status})
        await harness.tell(update, kind="my_chat_member")
    assert await harness.store.chat(FOREIGN_GROUP) is None
    assert caplog.records == []


async def test_a_group_to_which_somebody_who_is_let_in_adds_the_bot_is_remembered(harness):
    await change(harness, FILMS | {"id": FOREIGN_GROUP}, {"status": "member"})
    assert await harness.store.chat(FOREIGN_GROUP) is not None


@pytest.mark.parametrize("after", [{"status": "member"}, RESTRICTED | {"is_member": True}])
async def test_a_chat_that_comes_back_has_its_watches_taken_up(harness, after):
    await harness.tell(updates.group(GROUP, ANN, "/watch wan id-1"))
    await change(harness, FILMS, {"status": "kicked"})
    await change(harness, FILMS, after)
    assert await state_of_the_watch(harness, GROUP) is WatchState.ACTIVE
    chat = await harness.store.chat(GROUP)
    assert chat is not None
    assert chat.disabled_reason is None


async def test_a_person_who_blocks_the_bot_and_thinks_better_of_it_loses_nothing(harness):
    await harness.tell(updates.private(ANN, "/watch wan id-1"))
    await change(harness, PRIVATE, {"status": "kicked"})
    assert await state_of_the_watch(harness, ANN) is WatchState.SUSPENDED
    await change(harness, PRIVATE, {"status": "member"})
    assert await state_of_the_watch(harness, ANN) is WatchState.ACTIVE


@pytest.mark.parametrize(
    ("chat_id", "service_message"),
    [(-77, {"migrate_to_chat_id": GROUP}), (GROUP, {"migrate_from_chat_id": -77})],
)
async def test_a_group_that_moves_takes_its_watches_along(harness, chat_id, service_message, caplog):
    await harness.tell(updates.group(-77, ANN, "/watch wan id-1"))
    caplog.set_level(logging.INFO)
    message = updates.group(chat_id, ANN, "", **service_message)
    del message["text"]
    assert await harness.tell(message) == []
    (found,) = await harness.service.active(GROUP)
    assert found.task.ref.external_id == "id-1"
    assert await harness.service.active(-77) == []
    assert "Group -77 migrated to -1001" in caplog.text


async def test_a_group_that_was_let_in_is_let_in_after_it_has_moved_and_after_a_restart(harnesses):
    harness = await harnesses.make(named("wan", "alibailian"), allowed_ids=(-77,))
    moved = updates.group(-77, EVE, "", migrate_to_chat_id=NEW)
    del moved["text"]
    await harness.tell(moved)
    assert "id-1" in "".join(await harness.tell(updates.group(NEW, EVE, "/status id-1")))

    restarted = await harnesses.make(named("wan", "alibailian"), allowed_ids=(-77,))
    assert "id-1" in "".join(await restarted.tell(updates.group(NEW, EVE, "/status id-1")))


async def test_a_stranger_s_group_lets_nobody_in_by_becoming_a_supergroup(harness, caplog):
    caplog.set_level(logging.INFO)
    moved = updates.group(-78, EVE, "", migrate_to_chat_id=NEW)
    del moved["text"]
    await harness.tell(moved)
    (answer,) = await harness.tell(updates.group(NEW, EVE, "/status id-1"))
    assert answer.startswith("This bot is private.")
    assert "migrated" not in caplog.text
