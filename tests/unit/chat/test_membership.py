import logging

import pytest

from storage.models import Chat, DeliveryKind
from storage.watches import WatchState
from tests.fakes import updates
from tests.unit.chat.chat_harness import (
    ANN,
    BORIS,
    CHANNEL,
    EVE,
    FOREIGN_GROUP,
    GROUP,
    NOW,
    ChatHarness,
    named,
)

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


async def test_the_title_of_a_chat_is_stored_bounded_and_without_halves_of_surrogate_pairs(harness):
    await change(harness, SAMPLES | {"title": "\ud800" + "B" * 99}, {"status": "member"})

    chat = await harness.store.chat(GROUP)
    assert chat is not None
    assert chat.title == f"?{'B' * 62}…"


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


async def test_a_group_without_access_is_not_stored_and_logged_once_an_hour(harness, caplog):
    caplog.set_level(logging.INFO)
    strange = SAMPLES | {"id": FOREIGN_GROUP}
    for status in ("member", "kicked", "member"):
        update = updates.membership(strange, EVE, before="left", after={"status": status})
        await harness.receive(update, kind="my_chat_member")
    assert await harness.store.chat(FOREIGN_GROUP) is None
    assert [vars(record)["event"] for record in caplog.records] == ["access_requested", "access_refused"]


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
    assert answer.startswith("This bot is private")
    assert "migrated" not in caplog.text


async def deliveries(harness: ChatHarness) -> list[tuple[int, DeliveryKind]]:
    """Claim all deliveries: where to, and of which kind."""
    found = await harness.store.claim_deliveries(100, at=NOW, lease_s=60)
    return sorted((one.delivery.chat_id, one.delivery.kind) for one in found)


async def add(harness: ChatHarness, chat: updates.Json, user_id: int, *, date: int = 1) -> list[str]:
    """A user adds the bot to a chat; returns what the chat is told at once."""
    change = updates.membership(chat, user_id, before="left", after={"status": "member"})
    return await harness.receive(change | {"date": date}, kind="my_chat_member")


async def test_an_allowed_group_is_greeted_each_time_the_bot_is_added(harness):
    for date in (1, 1, 2):  # an update may come twice
        assert await add(harness, SAMPLES, EVE, date=date) == []
    greeted = [*await deliveries(harness), *await deliveries(harness)]
    assert greeted == [(GROUP, DeliveryKind.GREETING)] * 2


async def test_a_change_of_the_bot_s_rights_is_no_reason_to_greet(harness):
    change = updates.membership(SAMPLES, EVE, before="member", after=RESTRICTED | {"is_member": True})
    await harness.receive(change, kind="my_chat_member")
    assert await deliveries(harness) == []


async def test_a_channel_is_not_greeted(harness):
    assert await add(harness, {"id": CHANNEL, "type": "channel", "title": "News"}, ANN) == []
    assert await deliveries(harness) == []


async def test_a_group_of_a_stranger_is_told_that_the_admins_are_asked(harness):
    strange = SAMPLES | {"id": FOREIGN_GROUP}
    (answer,) = await add(harness, strange, EVE)
    assert "asked its admin to let this chat in" in answer
    assert harness.last["chat_id"] == FOREIGN_GROUP
    assert await deliveries(harness) == [(BORIS, DeliveryKind.QUESTION)]
    assert await add(harness, strange, EVE) == []


async def test_the_admins_are_asked_about_a_channel_of_a_stranger_which_is_told_nothing(harness):
    assert await add(harness, {"id": -1009, "type": "channel", "title": "News"}, EVE) == []
    assert await deliveries(harness) == [(BORIS, DeliveryKind.QUESTION)]


async def test_who_has_access_gets_a_greeting_in_their_group_and_the_admins_a_question(harness):
    assert await add(harness, SAMPLES | {"id": FOREIGN_GROUP}, ANN) == []
    assert await deliveries(harness) == [
        (FOREIGN_GROUP, DeliveryKind.GREETING),
        (BORIS, DeliveryKind.QUESTION),
    ]
