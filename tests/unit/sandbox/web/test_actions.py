"""What visitors of the page do, and what they can't."""

import re
from importlib import resources
from typing import Any

import pytest

from bot.sandbox.environment import ADMIN, ANNA, CHANNEL, GROUP, LIN, Sandbox
from bot.sandbox.gateway.tasks import Phase
from tests.unit.sandbox.web.conftest import Client, FakeTours


async def test_a_text_is_sent_by_the_chats_person(client: Client, sandbox: Sandbox) -> None:
    status, sent = await client.do("send", {"chat": ANNA, "text": " /help "})

    [message] = sandbox.telegram.messages(ANNA)
    assert status == 200
    assert sent == {"ids": [message.message_id]}
    assert message.text == "/help"
    assert message.sender
    assert message.sender.id == ANNA


async def test_a_text_is_sent_to_a_topic_by_the_chosen_person_as_a_reply(
    client: Client, sandbox: Sandbox
) -> None:
    thread = next(iter(sandbox.telegram.state.chats[GROUP].topics))
    first = sandbox.telegram.send(GROUP, "hi", user=LIN, thread=thread)

    await client.do("send", {"chat": GROUP, "text": "yes", "user": ANNA, "thread": thread, "replyTo": first})

    message = sandbox.telegram.messages(GROUP)[-1]
    assert message.sender
    assert (message.sender.id, message.thread_id, message.reply_to) == (ANNA, thread, first)


async def test_a_channel_writes_as_itself(client: Client, sandbox: Sandbox) -> None:
    await client.do("send", {"chat": CHANNEL, "text": "/watch wan 1"})

    [message] = sandbox.telegram.messages(CHANNEL)
    assert message.sender is None


async def test_a_long_text_becomes_several_messages(client: Client, sandbox: Sandbox) -> None:
    await client.do("send", {"chat": ANNA, "text": "x" * 5000})

    assert [len(each.plain_text) for each in sandbox.telegram.messages(ANNA)] == [4096, 904]


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("nothing", {}),
        ("send", []),
        ("send", {"chat": ANNA, "text": " "}),
        ("send", {"chat": ANNA, "text": 5}),
        ("send", {"chat": ANNA, "text": "x" * 41_000}),
        ("send", {"chat": 5, "text": "hi"}),
        ("send", {"chat": str(ANNA), "text": "hi"}),
        ("send", {"chat": True, "text": "hi"}),
        ("send", {"chat": ANNA, "text": "hi", "user": LIN}),
        ("send", {"chat": GROUP, "text": "hi", "thread": 999}),
        ("send", {"chat": ANNA, "text": "hi", "replyTo": 999}),
        ("press", {"chat": ANNA, "message": 1, "data": "stop"}),
        ("submit", {"kind": "other", "seconds": 6}),
        ("submit", {"kind": "jimeng", "seconds": 0}),
        ("submit", {"kind": "jimeng", "seconds": True}),
        ("submit", {"kind": "jimeng", "seconds": 1e9}),
        ("submit", {"kind": "jimeng", "seconds": 6, "fails": "x" * 301}),
        ("submit", {"kind": "jimeng", "seconds": 6, "progress": "odd"}),
        ("advance", {"id": "unknown"}),
        ("switch", {"name": "unknown", "on": True}),
    ],
)
async def test_what_is_not_possible_is_refused_with_a_sentence(
    client: Client, action: str, given: Any
) -> None:
    status, body = await client.do(action, given)

    assert status == 400
    assert body["error"].endswith(".")


def test_the_page_translates_no_refusal_that_there_is_not() -> None:
    folder = resources.files("bot.sandbox.web")
    translated = (folder / "static" / "strings.js").read_text(encoding="utf-8").partition("refusals: {")[2]
    sentences = re.findall(r'^ +"([^"]+)": "', translated.partition("}")[0], re.MULTILINE)
    code = "".join((folder / name).read_text(encoding="utf-8") for name in ("actions.py", "server.py"))

    assert len(sentences) > 3
    assert [each for each in sentences if f'"{each}"' not in code] == []


async def test_no_json_is_refused_with_a_sentence(client: Client) -> None:
    headers = {"Origin": client.address, "Content-Type": "application/json"}

    async with client.session.post(f"{client.address}/do/send", data=b"{", headers=headers) as response:
        assert response.status == 400


async def test_a_body_that_is_nested_too_deeply_is_refused_with_a_sentence(client: Client) -> None:
    headers = {"Origin": client.address, "Content-Type": "application/json"}
    body = b"[" * 200_000

    async with client.session.post(f"{client.address}/do/send", data=body, headers=headers) as response:
        assert response.status == 400


async def test_the_longest_text_is_taken_and_a_huge_body_refused(client: Client, sandbox: Sandbox) -> None:
    status, _ = await client.do("send", {"chat": ANNA, "text": "影" * 40_000})
    assert (status, len(sandbox.telegram.messages(ANNA))) == (200, 10)

    status, body = await client.do("send", {"chat": ANNA, "text": "x" * 500_000})
    assert (status, body["error"]) == (413, "This is too long to be sent.")


async def test_what_no_client_sends_is_replaced(client: Client, sandbox: Sandbox) -> None:
    await client.do("send", {"chat": ANNA, "text": "a\ud83db\x1b[1mc\x00\r\nd"})

    [message] = sandbox.telegram.messages(ANNA)
    assert message.text == "a\ufffdb [1mc \nd"


async def test_a_pasted_text_is_split_between_words(client: Client, sandbox: Sandbox) -> None:
    await client.do("send", {"chat": ANNA, "text": "twelve chars " * 400})

    first, second = (each.plain_text for each in sandbox.telegram.messages(ANNA))
    assert first.endswith("chars")
    assert second.startswith("twelve")


async def test_the_tour_is_played_again_but_not_while_it_is_on(client: Client, tours: FakeTours) -> None:
    assert (await client.do("tour", {}))[0] == 200

    tours.is_on = True
    status, body = await client.do("tour", {})

    assert (status, body["error"], tours.started) == (400, "The tour is being played.", 1)


async def test_a_task_is_submitted_and_moved_on_by_hand(client: Client, sandbox: Sandbox) -> None:
    _, submitted = await client.do("submit", {"kind": "videos", "seconds": None, "hasLink": False})

    [task] = sandbox.gateway.tasks.values()
    assert submitted == {"id": task.task_id}
    assert not task.has_link
    assert await client.do("advance", submitted) == (200, {"phase": Phase.RUNNING})
    assert await client.do("advance", submitted) == (200, {"phase": Phase.SUCCEEDED})


async def test_huge_videos_are_one_in_memory(client: Client, sandbox: Sandbox) -> None:
    for _ in range(2):
        await client.do("submit", {"kind": "jimeng", "seconds": 6, "isHuge": True})

    first, second = (task.served.content for task in sandbox.gateway.tasks.values())
    assert len(first) > 50 * 1024 * 1024
    assert first is second


async def test_only_so_many_tasks_are_taken(client: Client, sandbox: Sandbox) -> None:
    for number in range(500):
        sandbox.gateway.add("jimeng", str(number), video=b"x")

    status, _ = await client.do("submit", {"kind": "jimeng", "seconds": 6})

    assert status == 400


async def test_a_button_is_pressed(client: Client, sandbox: Sandbox) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Allow", "callback_data": "allow1|1"}]]}
    chat = sandbox.telegram.state.chats[ADMIN]
    message = sandbox.telegram.state.post(chat, sender=None, from_bot=True, text="?", reply_markup=keyboard)

    status, pressed = await client.do(
        "press", {"chat": ADMIN, "message": message.message_id, "data": "allow1|1"}
    )

    assert status == 200
    assert pressed["query"] in sandbox.telegram.state.queries
