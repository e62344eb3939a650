"""Who may not use the bot gets one reply, and so does who sends too many commands."""

import logging

import pytest
from telegram import Update

from bot.chat.refusals import too_busy
from storage.access import Admin
from storage.outbox import AccessDelivery
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, BORIS, EVE, FOREIGN_GROUP, NOW, ChatHarness, named

WATCH = "/watch wan id-1"


@pytest.mark.parametrize("text", [WATCH, "/help", "/health", "/nonsense", "hello"])
async def test_without_admins_a_user_without_access_gets_the_id_to_allow(harnesses, text):
    harness = await harnesses.make(admin_ids=())
    (answer,) = await harness.receive(updates.private(EVE, text))
    assert answer.startswith("This bot is private: ")
    assert "its admin needs to add your id 66 to ALLOWED_CHATS and start the bot again" in answer
    assert "docker compose up -d" in answer  # a restart does not read .env again
    assert await harness.service.active(EVE) == []


async def test_without_admins_a_group_without_access_gets_its_own_id(harnesses):
    harness = await harnesses.make(admin_ids=())
    (answer,) = await harness.receive(updates.group(FOREIGN_GROUP, EVE, WATCH))
    assert "needs to add the id -1002 to ALLOWED_CHATS" in answer
    assert await harness.service.active(FOREIGN_GROUP) == []


async def test_the_refusal_is_in_the_users_language(harnesses):
    harness = await harnesses.make(admin_ids=())
    (answer,) = await harness.receive(updates.private(EVE, WATCH, language="zh-hans"))
    assert answer == (
        "这是一个私人机器人，要使用它，请机器人的部署者把你的 ID 66 加入 ALLOWED_CHATS，"
        "并让新设置生效（Docker 部署：docker compose up -d）。"
    )


async def test_a_user_without_access_is_refused_once_an_hour_in_each_chat(harness, caplog):
    caplog.set_level(logging.INFO, logger="bot.chat.refusals")
    replies = [await harness.receive(updates.private(EVE, text)) for text in (WATCH, WATCH, "hello", "/help")]
    assert [len(answers) for answers in replies] == [1, 0, 0, 0]
    assert len(await harness.receive(updates.group(FOREIGN_GROUP, EVE, WATCH))) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "Chat 66 (private) has no access; user 66 was told so",
        "Chat -1002 (supergroup) has no access; user 66 was told so",
    ]
    assert [vars(record)["left_out"] for record in caplog.records] == [0, 3]


async def test_a_user_whose_commands_are_dropped_is_notified_once_a_minute(harness):
    for _ in range(3):
        update = Update.de_json(
            {"update_id": 1, "message": updates.private(ANN, "/help")}, harness.application.bot
        )
        too_busy(update, harness.deps)
    await harness.deps.reply_queue.drain()
    assert [sent["text"][:28] for sent in harness.request.sent] == ["Too many of your commands ar"]


async def test_a_group_without_access_gets_no_reply_to_admins_commands_and_other_text(harness):
    for text in ("/health", "/stats", "/nonsense", "hello"):
        assert await harness.receive(updates.group(FOREIGN_GROUP, EVE, text)) == []


async def asked_admins(harness: ChatHarness) -> list[int]:
    """Claim the questions about chats that were enqueued: to which admins."""
    found = await harness.store.claim_deliveries(100, at=NOW, lease_s=60)
    return [one.delivery.chat_id for one in found if isinstance(one, AccessDelivery)]


@pytest.mark.parametrize("text", ["/start", WATCH, "hello"])
async def test_the_admins_are_asked_about_a_user_without_access(harness, text):
    (answer,) = await harness.receive(updates.private(EVE, text))
    assert answer.startswith("This bot is private, so I've asked its admin to let you in")
    assert "66" in answer
    assert await asked_admins(harness) == [BORIS]


async def test_start_is_answered_also_shortly_after_another_message(harness):
    await harness.receive(updates.private(EVE, "hello"))
    (answer,) = await harness.receive(updates.private(EVE, "/start"))
    assert "asked its admin" in answer
    assert await harness.receive(updates.private(EVE, "/start")) == []
    assert await asked_admins(harness) == [BORIS]


async def test_without_admins_nobody_is_asked(harnesses):
    harness = await harnesses.make(admin_ids=())
    await harness.receive(updates.private(EVE, "/start"))
    assert await asked_admins(harness) == []


async def test_a_refused_chat_gets_no_reply(harness):
    await harness.receive(updates.private(EVE, "/start"))
    await harness.deps.requests.answer(1, Admin(id=BORIS, name="Boris"), is_allowed=False)
    for text in ("/start", "hello", WATCH):
        assert await harness.receive(updates.private(EVE, text)) == []


@pytest.mark.parametrize("line", ["/start {code}", "WARNING Nobody may use this bot yet: /start {code}"])
async def test_the_code_makes_its_sender_an_admin(harnesses, caplog, line):
    harness = await harnesses.make(named("wan", "alibailian"), allowed_ids=(), admin_ids=())
    harness.deps.first_admin.show_code()
    (hint,) = await harness.receive(updates.private(ANN, "/start"))
    assert hint.startswith("Nobody may use this bot yet: ")
    code = caplog.messages[0].rpartition(" ")[2]

    assert await harness.receive(updates.group(FOREIGN_GROUP, EVE, f"/start {code}")) != []
    assert not harness.access.is_admin(EVE)
    (answer,) = await harness.receive(updates.private(ANN, line.format(code=code)))

    assert answer.startswith("You're this bot's admin now.")
    assert "/watch wan " in answer
    assert harness.access.is_admin(ANN)
    assert [each["scope"]["chat_id"] for each in harness.request.menus] == [ANN, ANN]
