import json

import pytest
from telegram import Update

from bot.chat.dispatcher import UpdateKind
from bot.chat.router import kind_of
from storage.models import TaskRef
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, CHANNEL, GROUP, ChatHarness, ChatHarnesses, named

ARK = "cgt-20260725165122-qkwcz"
SORA = "video_69b131ea03548190925a6a06febf99aa"
UUID = "b7d0f3a2-55c1-4e0e-9d7a-0f3c2b1a9e88"
OTHER_UUID = "7574ee8f-38a3-4b1e-9280-11c33ab46e52"
KEY = "sk-Zk112233445566778899001122334455"
DASHSCOPE = json.dumps({"output": {"task_id": UUID, "task_status": "PENDING"}, "request_id": OTHER_UUID})
CURL = f"curl https://east.example/v1/videos/{SORA} \\\n  -H 'Accept: */*'"


@pytest.fixture
async def harness(harnesses: ChatHarnesses) -> ChatHarness:
    """A bot with a provider of each kind, each at a host of its own."""
    return await harnesses.make(
        named("wan", "alibailian", "wan.example"),
        named("new", "newapi", "new.example"),
        named("dream", "jimeng", "dream.example"),
        named("east", "videos", "east.example"),
    )


async def refs(harness: ChatHarness, chat_id: int = ANN) -> list[str]:
    return [str(each.task.ref) for each in await harness.service.active(chat_id)]


@pytest.mark.parametrize(
    ("text", "watched"),
    [
        (DASHSCOPE, f"wan {UUID}"),
        (CURL, f"east {SORA}"),
        (f"麻烦看一下{ARK}好了没", f"dream {ARK}"),
        (f'[GIN] 200 | GET "/alibailian/api/v1/tasks/{UUID}"', f"wan {UUID}"),
        (f"my east task {UUID}", f"east {UUID}"),
        (f"用 wan 跑的 {UUID}", f"wan {UUID}"),
    ],
)
async def test_a_paste_in_a_private_chat_is_watched_at_the_one_provider_that_fits(harness, text, watched):
    assert await harness.receive(updates.private(ANN, text)) == []
    assert await refs(harness) == [watched]


@pytest.mark.parametrize(
    "prefix", ["/watch ", "/watch@reelwatch_bot\n", "@reelwatch_bot ", "看 @Reelwatch_Bot "]
)
async def test_a_paste_in_a_group_is_watched_by_the_command_or_by_naming_the_bot(harness, prefix):
    assert await harness.receive(updates.group(GROUP, ANN, prefix + DASHSCOPE)) == []
    assert await refs(harness, GROUP) == [f"wan {UUID}"]


@pytest.mark.parametrize("text", [DASHSCOPE, f"@other_bot {ARK}", f"mail me@reelwatch_bot.example {ARK}"])
async def test_other_messages_in_a_group_are_left_alone(harness, text):
    assert await harness.receive(updates.group(GROUP, ANN, text)) == []
    assert await refs(harness, GROUP) == []


@pytest.mark.parametrize("text", ["/watch", "@reelwatch_bot", "/watch@reelwatch_bot"])
@pytest.mark.parametrize("caption", [False, True])
async def test_a_reply_means_the_message_that_it_replies_to(harness, text, caption):
    message = updates.replying(updates.group(GROUP, ANN, text), DASHSCOPE, caption=caption)
    assert await harness.receive(message) == []
    (found,) = await harness.service.active(GROUP)
    assert found.task.ref == TaskRef(provider="wan", external_id=UUID)
    assert found.watch.request_message_id == message["message_id"]


async def test_a_caption_is_read_like_a_text(harness):
    assert await harness.receive(updates.captioned(ANN, f"看下 {ARK}")) == []
    assert await refs(harness) == [f"dream {ARK}"]


@pytest.mark.parametrize("text", ["open", "/watch open"])
async def test_the_address_behind_a_word_is_read(harness, text):
    url = f"https://east.example/v1/videos/{SORA}"
    link = {"type": "text_link", "offset": len(text) - 4, "length": 4, "url": url}
    message = updates.private(ANN, text)
    message["entities"] = [*message.get("entities", []), link]
    assert await harness.receive(message) == []
    assert await refs(harness) == [f"east {SORA}"]


async def test_the_ids_of_another_command_of_the_message_are_not_meant(harness):
    await harness.receive(updates.private(ANN, f"/watch\n/status {ARK}"))
    assert await refs(harness) == []


async def test_a_reply_may_name_the_provider(harness):
    await harness.receive(updates.replying(updates.group(GROUP, ANN, "/watch east"), f"started: {UUID}"))
    assert await refs(harness, GROUP) == [f"east {UUID}"]


async def test_a_typed_provider_is_taken_for_all_that_follows(harness):
    await harness.receive(updates.private(ANN, f"/watch east {DASHSCOPE}"))
    assert await refs(harness) == [f"east {UUID}"]


async def test_a_channel_post_with_the_command_is_watched(harness):
    await harness.receive(updates.channel_post(CHANNEL, f"/watch {ARK}"), kind="channel_post")
    assert await refs(harness, CHANNEL) == [f"dream {ARK}"]


async def test_a_misspelt_provider_is_still_told_so(harness):
    (answer,) = await harness.receive(updates.private(ANN, f"/watch eats {UUID}"))
    assert answer.startswith("“eats” isn't a provider here.")
    assert await refs(harness) == []


@pytest.mark.parametrize("label", ["task_id", "ID", "this:"])
async def test_a_label_is_no_misspelt_provider(harness, label):
    await harness.receive(updates.private(ANN, f"/watch {label} {ARK}"))
    assert await refs(harness) == [f"dream {ARK}"]


@pytest.mark.parametrize("text", [f"{CURL} -H 'Authorization: Bearer {KEY}'", f"/watch east {SORA} {KEY}"])
async def test_a_key_is_never_repeated_and_advice_is_given(harness, text):
    (answer,) = await harness.receive(updates.private(ANN, text))
    assert (
        answer
        == "That message contains an API key or token: delete the message and change the key at the gateway."
    )
    assert await refs(harness) == [f"east {SORA}"]


@pytest.mark.parametrize(
    "text", [f"Bearer {KEY}", f"/watch {KEY}", f"/watch east {KEY}", f"/watch east a/b {KEY}"]
)
async def test_a_key_without_an_id_is_answered_without_it(harness, text):
    (answer,) = await harness.receive(updates.private(ANN, text))
    assert "Type the provider and the task id" in answer
    assert "change the key" in answer
    assert KEY[3:9] not in answer
    assert await refs(harness) == []


@pytest.mark.parametrize("text", ["Video task_wV7xpS12Fzo... queued", "/watch task_wV7xpS12Fzo…"])
async def test_an_id_that_is_cut_off_is_told_and_not_watched(harness, text):
    (answer,) = await harness.receive(updates.private(ANN, text))
    assert answer == "An id was cut off (“…”), so I didn't watch it; send the whole id."
    assert await refs(harness) == []


async def test_the_first_fifty_ids_are_watched(harness):
    ids = [f"cgt-20260725165122-{number:05}" for number in range(60)]
    (answer,) = await harness.receive(updates.private(ANN, "\n".join(ids)))
    assert answer.startswith("A message can have up to 50 ids")
    assert await refs(harness) == [f"dream {each}" for each in ids[:50]]


async def test_an_existing_watch_is_not_watched_twice(harness):
    await harness.receive(updates.private(ANN, ARK))
    (answer,) = await harness.receive(updates.private(ANN, f"/watch {ARK}"))
    assert answer.startswith("Already watching this")


@pytest.mark.parametrize("text", [f"/watch dream {ARK}", ARK, f"/watch {ARK} {SORA}"])
async def test_a_repeated_update_has_no_second_effect(harness, text):
    assert await harness.receive(updates.private(ANN, text)) == []
    before = await harness.service.active(ANN)
    assert await harness.receive(updates.private(ANN, text), is_repeated=True) == []
    assert await harness.service.active(ANN) == before


async def test_a_paste_without_providers_names_the_missing_setting(harnesses: ChatHarnesses):
    harness = await harnesses.make()
    (answer,) = await harness.receive(updates.private(ANN, ARK))
    assert "GATEWAY_BASE_URL" in answer


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (updates.private(ANN, ARK), UpdateKind.WRITE),
        (updates.private(ANN, "hello"), UpdateKind.READ),
        (updates.group(GROUP, ANN, f"@reelwatch_bot {ARK}"), UpdateKind.WRITE),
        (updates.group(GROUP, ANN, ARK), UpdateKind.IGNORED),
        (updates.group(GROUP, ANN, "thanks @reelwatch_bot"), UpdateKind.IGNORED),
        (updates.replying(updates.group(GROUP, ANN, "@reelwatch_bot"), ARK), UpdateKind.WRITE),
    ],
)
async def test_a_paste_with_ids_is_held_until_it_is_on_disk(harness, message, kind):
    update = Update.de_json({"update_id": 1, "message": message}, harness.application.bot)
    assert kind_of(update, harness.deps.allowed, "reelwatch_bot", harness.deps.catalog.id_formats) is kind
