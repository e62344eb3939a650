"""Who may not use the bot gets one reply, and so does who sends too many commands."""

import logging

import pytest
from telegram import Update

from bot.chat.refusals import too_busy
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, EVE, FOREIGN_GROUP

WATCH = "/watch wan id-1"


@pytest.mark.parametrize("text", [WATCH, "/help", "/health", "/nonsense", "hello"])
async def test_a_user_without_access_gets_the_id_to_allow(harness, text):
    (answer,) = await harness.receive(updates.private(EVE, text))
    assert answer.startswith("This bot is private.")
    assert "its admin needs to add your id 66 to ALLOWED_CHATS and start the bot again" in answer
    assert "docker compose up -d" in answer  # a restart does not read .env again
    assert await harness.service.active(EVE) == []


async def test_a_group_without_access_gets_its_own_id(harness):
    (answer,) = await harness.receive(updates.group(FOREIGN_GROUP, EVE, WATCH))
    assert "needs to add the id -1002 to ALLOWED_CHATS" in answer
    assert await harness.service.active(FOREIGN_GROUP) == []


async def test_the_refusal_is_in_the_users_language(harness):
    (answer,) = await harness.receive(updates.private(EVE, WATCH, language="zh-hans"))
    assert answer == (
        "这是一个私人机器人。要使用它，请机器人的部署者把你的 ID 66 加入 ALLOWED_CHATS，"
        "并让新设置生效（Docker 部署：docker compose up -d）。"
    )


async def test_a_user_without_access_is_refused_once_an_hour_in_each_chat(harness, caplog):
    caplog.set_level(logging.INFO, logger="bot.chat.refusals")
    replies = [await harness.receive(updates.private(EVE, text)) for text in (WATCH, WATCH, "hello", "/help")]
    assert [len(answers) for answers in replies] == [1, 0, 0, 0]
    assert len(await harness.receive(updates.group(FOREIGN_GROUP, EVE, WATCH))) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "Refused: chat 66 (private), user 66; 0 more suppressed since the last line.",
        "Refused: chat -1002 (supergroup), user 66; 3 more suppressed since the last line.",
    ]


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
