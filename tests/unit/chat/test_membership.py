import logging

import pytest

from storage.models import Chat, WatchState
from tests.fakes import updates
from tests.unit.chat.world import ANN, EVE, FOREIGN_GROUP, GROUP, World, named

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


async def change(world: World, chat: updates.Json, after: updates.Json, **asked: str) -> None:
    update = updates.membership(chat, ANN, before="left", after=after, **asked)
    assert await world.tell(update, kind="my_chat_member") == []


async def state_of_the_watch(world: World, chat_id: int) -> WatchState:
    (found,) = await world.store.watches_of(chat_id, "id-1")
    return found.watch.state


async def test_a_chat_that_lets_the_bot_in_is_remembered_with_its_language(world):
    await change(world, FILMS, {"status": "member"}, language="zh-hans")
    assert await world.store.chat(GROUP) == Chat(id=GROUP, title="Films", language="zh")


@pytest.mark.parametrize(
    "after", [{"status": "kicked"}, {"status": "left"}, RESTRICTED | {"is_member": False}]
)
async def test_a_chat_that_puts_the_bot_out_has_its_watches_parked(world, after):
    await world.tell(updates.group(GROUP, ANN, "/watch wan id-1"))
    await change(world, FILMS, after)
    assert await state_of_the_watch(world, GROUP) is WatchState.PARKED
    chat = await world.store.chat(GROUP)
    assert chat is not None
    assert chat.disabled_reason == after["status"]


async def test_nothing_is_remembered_of_a_stranger_s_group_and_its_coming_and_going_fills_no_log(
    world, caplog
):
    caplog.set_level(logging.INFO)
    strange = FILMS | {"id": FOREIGN_GROUP}
    for status in ("member", "kicked", "member"):
        update = updates.membership(strange, EVE, before="left", after={"status": status})
        await world.tell(update, kind="my_chat_member")
    assert await world.store.chat(FOREIGN_GROUP) is None
    assert caplog.records == []


async def test_a_group_to_which_somebody_who_is_let_in_adds_the_bot_is_remembered(world):
    await change(world, FILMS | {"id": FOREIGN_GROUP}, {"status": "member"})
    assert await world.store.chat(FOREIGN_GROUP) is not None


@pytest.mark.parametrize("after", [{"status": "member"}, RESTRICTED | {"is_member": True}])
async def test_a_chat_that_comes_back_has_its_watches_taken_up(world, after):
    await world.tell(updates.group(GROUP, ANN, "/watch wan id-1"))
    await change(world, FILMS, {"status": "kicked"})
    await change(world, FILMS, after)
    assert await state_of_the_watch(world, GROUP) is WatchState.ACTIVE
    chat = await world.store.chat(GROUP)
    assert chat is not None
    assert chat.disabled_reason is None


async def test_a_person_who_blocks_the_bot_and_thinks_better_of_it_loses_nothing(world):
    await world.tell(updates.private(ANN, "/watch wan id-1"))
    await change(world, PRIVATE, {"status": "kicked"})
    assert await state_of_the_watch(world, ANN) is WatchState.PARKED
    await change(world, PRIVATE, {"status": "member"})
    assert await state_of_the_watch(world, ANN) is WatchState.ACTIVE


@pytest.mark.parametrize(
    ("chat_id", "service_message"),
    [(-77, {"migrate_to_chat_id": GROUP}), (GROUP, {"migrate_from_chat_id": -77})],
)
async def test_a_group_that_moves_takes_its_watches_along(world, chat_id, service_message, caplog):
    await world.tell(updates.group(-77, ANN, "/watch wan id-1"))
    caplog.set_level(logging.INFO)
    message = updates.group(chat_id, ANN, "", **service_message)
    del message["text"]
    assert await world.tell(message) == []
    (found,) = await world.service.active(GROUP)
    assert found.task.ref.external_id == "id-1"
    assert await world.service.active(-77) == []
    assert "Group -77 is now -1001" in caplog.text


async def test_a_group_that_was_let_in_is_let_in_after_it_has_moved_and_after_a_restart(worlds):
    world = await worlds.make(named("wan", "alibailian"), allowed_ids=(-77,))
    moved = updates.group(-77, EVE, "", migrate_to_chat_id=NEW)
    del moved["text"]
    await world.tell(moved)
    assert "id-1" in "".join(await world.tell(updates.group(NEW, EVE, "/status id-1")))

    restarted = await worlds.make(named("wan", "alibailian"), allowed_ids=(-77,))
    assert "id-1" in "".join(await restarted.tell(updates.group(NEW, EVE, "/status id-1")))


async def test_a_stranger_s_group_lets_nobody_in_by_becoming_a_supergroup(world, caplog):
    caplog.set_level(logging.INFO)
    moved = updates.group(-78, EVE, "", migrate_to_chat_id=NEW)
    del moved["text"]
    await world.tell(moved)
    (answer,) = await world.tell(updates.group(NEW, EVE, "/status id-1"))
    assert answer.startswith("This bot is private.")
    assert "is now" not in caplog.text
