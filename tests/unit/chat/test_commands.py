from datetime import timedelta

import pytest

from bot.drawing.content import StatsPicture
from bot.drawing.renderer import DrawingFailed
from storage.models import DeliveryState, TaskStatus
from storage.outbox import Settlement
from storage.watches import WatchLimits
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, BORIS, GROUP, NOW, ChatHarness, ChatHarnesses, named

TASK = "86ecf553-d340-4e21-af6e-a0c6a421c010"
EXAMPLE = f"/watch alibailian {TASK}"


async def send(
    harness: ChatHarness, text: str, *, language: str | None = "en", user_id: int = ANN
) -> list[str]:
    return await harness.receive(updates.private(user_id, text, language=language))


async def watched_ids(harness: ChatHarness, chat_id: int = ANN) -> list[str]:
    return [each.task.ref.external_id for each in await harness.service.active(chat_id)]


async def test_a_new_watch_is_registered_and_its_card_is_the_reply(harness):
    assert await send(harness, f"/watch wan {TASK}") == []
    (found,) = await harness.service.active(ANN)
    assert (found.task.ref.provider, found.task.ref.external_id) == ("alibailian", TASK)
    watch = found.watch
    assert (watch.request_message_id, watch.user_id, watch.thread_id, watch.language) == (7, ANN, None, "en")


async def test_several_ids_create_several_watches(harness):
    assert await send(harness, "/watch WAN id-1, id-2\n`id-3` id-2") == []
    assert await watched_ids(harness) == ["id-1", "id-2", "id-3"]


async def test_an_existing_watch_is_confirmed_in_reply_to_its_card(harness):
    await send(harness, "/watch wan id-1")
    (card,) = await harness.store.claim_deliveries(1, at=NOW + timedelta(seconds=2), lease_s=60)
    sent = Settlement(state=DeliveryState.SENT, at=NOW, message_id=500, card_digest="d")
    await harness.store.settle(card.delivery.id, sent)
    (answer,) = await send(harness, "/watch wan id-1")
    assert answer == "Already watching this: Queued · 0 s so far"
    assert harness.last["reply_parameters"] == {"message_id": 500, "allow_sending_without_reply": True}


async def test_valid_ids_are_registered_beside_invalid_ones(harness):
    (answer,) = await send(harness, "/watch wan id-1 a/b ... id-2")
    assert answer.startswith("These aren't task ids: a/b, .... Ids consist of letters, digits and")
    assert await watched_ids(harness) == ["id-1", "id-2"]


@pytest.mark.parametrize(
    ("text", "language", "answer"),
    [
        (
            "/watch",
            "en",
            f"Type the provider and the task id: {EXAMPLE}; "
            "or reply with /watch to a message that holds ids.",
        ),
        ("/watch", "zh-hans", f"请输入服务商和任务 ID：{EXAMPLE}；也可以用 /watch 回复含有任务 ID 的消息。"),
        ("/watch wan", "en", f"The task id is missing. Type it after the provider: {EXAMPLE}"),
        ("/watch wan", "zh", f"缺少任务 ID，请写在服务商后面：{EXAMPLE}"),
        (
            "/watch soar id-1",
            "en",
            f"“soar” isn't a provider here. Configured: alibailian, mine. For example: {EXAMPLE}",
        ),
        ("/watch soar id-1", "zh", f"没有名为“soar”的服务商。这里可用：alibailian、mine。例如输入 {EXAMPLE}"),
        (
            "/watch seedance id-1",
            "en",
            f"jimeng isn't configured here. Configured: alibailian, mine. For example: {EXAMPLE}",
        ),
        ("/watch seedance id-1", "zh", f"这里没有配置 jimeng。已配置：alibailian、mine。例如输入 {EXAMPLE}"),
        (
            "/watch wan a/b",
            "en",
            f"This isn't a task id: a/b. Ids consist of letters, digits and . _ : = + - as in {TASK}",
        ),
        ("/watch wan a/b", "zh", f"这不是任务 ID：a/b。ID 由字母、数字和 . _ : = + - 组成，例如 {TASK}"),
        ("/status id-9", "en", "id-9 isn't being watched here. See /tasks for what is."),
        ("/status id-9", "zh", "这里没有关注 id-9。/tasks 可以列出正在关注的任务。"),
        ("/unwatch id-9", "en", "id-9 isn't being watched here. See /tasks for what is."),
        ("/status", "en", f"Nothing is being watched here. Try {EXAMPLE}"),
        ("/unwatch", "zh", f"这里没有正在关注的任务。可以这样开始：{EXAMPLE}"),
        ("/tasks", "en", f"Nothing is being watched here. Try {EXAMPLE}"),
        ("/nonsense", "en", "I don't know that command. See /help."),
        ("/nonsense", "zh", "我不认识这个命令。可用的命令见 /help。"),
        (
            "hello",
            "en",
            f"There's no task id in this: send {EXAMPLE}, or paste anything that holds the id; "
            "/help shows the rest.",
        ),
        (
            "hello",
            "zh",
            f"这里面没有任务 ID：请发送 {EXAMPLE}，或直接粘贴含有任务 ID 的内容；其余用法见 /help。",
        ),
    ],
)
async def test_invalid_input_gets_one_sentence_with_what_to_type(harness, text, language, answer):
    assert await send(harness, text, language=language) == [answer]
    assert await watched_ids(harness) == []


async def test_an_ambiguous_provider_is_answered_with_the_candidates(harnesses: ChatHarnesses):
    harness = await harnesses.make(named("east", "videos"), named("west", "videos"))
    (answer,) = await send(harness, "/watch sora id-1")
    assert (
        answer == f"“sora” matches several providers: east, west. Use one of these names: /watch east {TASK}"
    )


@pytest.mark.parametrize("text", ["/watch wan id-1", "/watch", "/providers", "/help", "/tasks", "hello"])
async def test_without_providers_every_reply_names_the_missing_setting(harnesses: ChatHarnesses, text):
    harness = await harnesses.make()
    (answer,) = await send(harness, text)
    assert "GATEWAY_BASE_URL" in answer


async def test_tasks_lists_only_watches_of_this_chat(harness):
    await send(harness, "/watch wan id-1")
    await harness.receive(updates.group(GROUP, ANN, "/watch mine id-2"))
    (answer,) = await send(harness, "/tasks")
    assert answer == "Watching 1 task:\n⏳ alibailian · id-1 · Queued · 0 s so far"


async def test_status_polls_at_once_and_shows_the_raw_status(harness):
    await send(harness, "/watch wan id-1")
    harness.poll_result = TaskStatus.RUNNING
    (answer,) = await send(harness, "/status id-1")
    assert answer == (
        "🎬 alibailian · id-1\nRunning · 0 s so far\nGateway status: RUNNING\n"
        "Last checked 0 s ago · next check any moment"
    )


async def test_status_without_an_id_means_the_only_task(harness):
    await send(harness, "/watch wan id-1")
    harness.poll_result = TaskStatus.RUNNING
    (answer,) = await send(harness, "/status")
    assert answer.startswith("🎬 alibailian · id-1")


@pytest.mark.parametrize("command", ["/status", "/unwatch"])
async def test_a_key_beside_a_command_is_not_repeated(harness, command: str):
    (answer,) = await send(harness, f"{command} sk-Zk11223344556677 id-9\n\nkey sk-Zk11223344556677 again")
    assert "sk-Zk" not in answer
    assert answer.startswith("That message contains an API key or token")
    assert "id-9 isn't being watched here." in answer


async def test_unwatch_without_an_id_means_the_only_task_of_this_topic(harness):
    await harness.receive(updates.group(GROUP, ANN, "/watch mine id-1"))
    await harness.receive(updates.topic(GROUP, ANN, 11, "/watch mine id-2"))
    answer = await harness.receive(updates.topic(GROUP, ANN, 11, "/unwatch"))
    assert answer == ["Stopped watching id-2."]
    assert await watched_ids(harness, GROUP) == ["id-1"]


@pytest.mark.parametrize(
    ("command", "language", "answer"),
    [
        ("/status", "en", "2 tasks are being watched here. Which one? For example: /status id-1"),
        ("/unwatch", "zh", "这里正在关注 2 个任务，请说明是哪一个：/unwatch id-1"),
    ],
)
async def test_of_several_tasks_one_must_be_named(harness, command, language, answer):
    await send(harness, "/watch wan id-1 id-2")
    assert await send(harness, command, language=language) == [answer]
    assert await watched_ids(harness) == ["id-1", "id-2"]


async def test_unwatch_stops_the_named_tasks_and_lists_unknown_ones(harness):
    await send(harness, "/watch wan id-1 id-2 id-3")
    assert await send(harness, "/unwatch wan id-1, a/b id-2 id-9") == [
        "Stopped watching 2 tasks: id-1, id-2\n"
        f"This isn't a task id: a/b. Ids consist of letters, digits and . _ : = + - as in {TASK}\n"
        "id-9 isn't being watched here. See /tasks for what is."
    ]
    assert await watched_ids(harness) == ["id-3"]


IDS = [f"id-{number}" for number in range(60)]


@pytest.mark.parametrize(
    ("command", "beginning", "language"),
    [
        ("/watch wan", "50 of these are already being watched or were delivered:", "en"),
        ("/status", "50 tasks:", "en"),
        ("/unwatch", "Stopped watching 50 tasks: id-0, id-1", "en"),
        ("/unwatch", "已停止关注 50 个任务：id-0、id-1", "zh"),
    ],
)
async def test_of_many_ids_the_first_fifty_get_one_reply(harness, command, beginning, language):
    await send(harness, f"/watch wan {' '.join(IDS[:50])}")
    harness.poll_result = TaskStatus.RUNNING
    (answer,) = await send(harness, f"{command} {' '.join(IDS)}", language=language)
    assert answer.startswith(beginning)
    limit = "A message can have up to 50 ids, so I used the first 50; send the rest in another message."
    assert answer.endswith(limit if language == "en" else "其余的请另发一条消息。")
    assert len(await watched_ids(harness)) == (0 if "unwatch" in command else 50)


async def test_ids_are_counted_over_all_commands_of_a_message(harness):
    text = f"/watch wan {' '.join(IDS[:30])}\n/watch mine {' '.join(IDS[30:])}"
    (answer,) = await send(harness, text)
    assert answer.startswith("A message can have up to 50 ids")
    assert await watched_ids(harness) == IDS[:50]


async def test_the_longest_message_gets_one_reply_within_telegrams_limit(harness):
    await send(harness, "/watch wan " + " ".join(f"{'x' * 70}{number}" for number in range(50)))
    for name in ("/watch wan", "/status", "/unwatch"):
        ids = " ".join(f"{'x' * 70}{number}" for number in range(50))
        harness.poll_result = TaskStatus.RUNNING
        (answer,) = await send(harness, f"{name} {ids} a/b <b>&</b>\n\nThank you")
        assert len(answer) <= 4096
        assert "I skipped “Thank you”" in answer


async def test_status_of_several_tasks_polls_them_together(harness):
    await send(harness, "/watch wan id-1 id-2")
    harness.poll_result = TaskStatus.RUNNING
    assert await send(harness, "/status id-1 id-2 id-9") == [
        "2 tasks:\n🎬 alibailian · id-1 · Running · 0 s so far\n🎬 alibailian · id-2 · Running · 0 s so far\n"
        "id-9 isn't being watched here. See /tasks for what is."
    ]


async def test_watches_beyond_a_chats_limit_are_not_registered(harnesses: ChatHarnesses):
    harness = await harnesses.make(named("wan", "alibailian"), limits=WatchLimits(per_chat=3, per_person=1))
    assert await send(harness, "/watch wan id-1 id-2 id-3 id-4 id-5 id-2") == [
        "This chat is at its limit of 3 tasks (MAX_WATCHES), so 2 tasks weren't added. "
        "Use /unwatch to make room."
    ]
    assert await watched_ids(harness) == ["id-1", "id-2", "id-3"]
    (answer,) = await send(harness, "/watch wan id-9", language="zh")
    assert answer == ("本聊天最多同时关注 3 个任务（MAX_WATCHES），有 1 个没有登记。可用 /unwatch 腾出位置。")


async def test_no_user_takes_all_watches_of_a_group(harnesses: ChatHarnesses):
    harness = await harnesses.make(named("wan", "alibailian"), limits=WatchLimits(per_chat=4, per_person=2))
    (answer,) = await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1 id-2 id-3"))
    assert answer == (
        "You're at your limit of 2 tasks in this chat (half of MAX_WATCHES), "
        "so 1 task wasn't added. Use /unwatch to make room."
    )
    assert await harness.receive(updates.group(GROUP, BORIS, "/watch wan id-3")) == []
    assert await watched_ids(harness, GROUP) == ["id-1", "id-2", "id-3"]


async def test_an_ignored_paragraph_is_reported(harness):
    assert await send(harness, "/watch wan id-1\n\nalso id-2 please") == [
        "I skipped “also id-2 please”. Put all ids on the lines right after the command."
    ]
    assert await send(harness, "/watch wan id-3\n\nThis message was sent automatically with n8n") == []
    assert await watched_ids(harness) == ["id-1", "id-3"]


async def test_a_stopped_task_is_no_longer_watched(harness):
    await send(harness, "/watch wan id-1")
    await send(harness, "/unwatch id-1")
    assert await send(harness, "/unwatch id-1") == ["id-1 isn't being watched here. See /tasks for what is."]


async def test_providers_shows_what_to_type(harness):
    assert await send(harness, "/providers") == [
        "Configured here:\n"
        "alibailian · gw.example · or bailian, wan, dashscope\n"
        "mine · videos · mine.example:8443 · or videos, sora, veo, openai"
    ]


@pytest.mark.parametrize("command", ["/help", "/start", "/start payload"])
async def test_help_shows_an_example_that_works(harness, command):
    (answer,) = await send(harness, command)
    example = next(line for line in answer.split("\n") if line.startswith("/watch"))
    assert await send(harness, example) == []
    assert await watched_ids(harness) == [TASK]


async def test_health_and_stats_reply_to_admins(harness):
    (answer,) = await send(harness, "/health", user_id=BORIS)
    assert answer.startswith("✅ All is well.\n")
    (answer,) = await send(harness, "/stats", user_id=BORIS)
    assert answer.startswith("Last 30 days: 0 done, 0 failed\nTasks: ")


async def test_stats_reply_with_a_picture_that_quotes_the_command(harness):
    await send(harness, "/watch wan id-1", user_id=BORIS)
    await send(harness, "/stats", user_id=BORIS, language="zh")

    (picture,) = harness.pictures
    assert [(tile["value"], tile["label"]) for tile in picture["tiles"][2:]] == [
        ("1", "正在关注"),
        ("1", "待发送的消息"),
    ]
    assert harness.last["parse_mode"] == "HTML"
    assert harness.last["reply_parameters"] == {"message_id": 8, "allow_sending_without_reply": True}


async def test_stats_reply_with_words_alone_if_telegram_takes_no_picture(harness):
    harness.request.refuse = lambda sent: (
        (400, "Bad Request: not enough rights to send photos to the chat") if "caption" in sent else None
    )

    refused, answer = await send(harness, "/stats", user_id=BORIS)

    assert answer == refused
    assert harness.last["reply_parameters"] == {"message_id": 7, "allow_sending_without_reply": True}


async def test_a_picture_waits_out_a_flood_limit(harness):
    refusals = [(429, "Too Many Requests: retry after 3")]
    harness.request.refuse = lambda _: refusals.pop() if refusals else None

    await send(harness, "/stats", user_id=BORIS)

    assert "caption" in harness.last
    assert harness.slept_s == [3.0]


async def test_stats_reply_with_words_alone_if_no_picture_can_be_drawn(harnesses):
    async def fail(_: StatsPicture) -> bytes:
        raise DrawingFailed("No picture was drawn.")

    harness = await harnesses.make(named("wan", "alibailian"), draw=fail)

    (answer,) = await send(harness, "/stats", user_id=BORIS)

    assert harness.last["text"]
    assert answer.startswith("Last 30 days")


@pytest.mark.parametrize("command", ["/health", "/stats"])
async def test_other_users_get_no_reply_to_admin_commands(harness, command):
    assert await send(harness, command) == ["I don't know that command. See /help."]
    assert await harness.receive(updates.group(GROUP, ANN, command)) == []


async def test_replies_are_html_without_previews_and_quote_the_command(harness):
    await send(harness, "/help")
    assert harness.last["parse_mode"] == "HTML"
    assert harness.last["link_preview_options"] == {"is_disabled": True}
    assert harness.last["reply_parameters"] == {"message_id": 7, "allow_sending_without_reply": True}
    assert "message_thread_id" not in harness.last
