"""Access control and replies to invalid input, with the real process."""

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNA, BOSS, OTHER, WANG = 2001, 2002, 2003, 2004
WRITERS = itertools.count(2100)  # each may use the bot in a chat that has no message yet
_WRITERS = 20
OPEN_GROUP, CLOSED_GROUP = -1001000000011, -1001000000012


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A bot with an access list and two providers."""
    folder = tmp_path_factory.mktemp("chats")
    async with Scene.open(folder, LOG_LEVEL="DEBUG", LOG_FORMAT="json") as scene:
        for person in (ANNA, BOSS, OTHER):
            scene.telegram.private_chat(person)
        scene.telegram.private_chat(WANG, language_code="zh-hans")
        for group in (OPEN_GROUP, CLOSED_GROUP):
            scene.telegram.group(group)
        await scene.start_bot(
            ALLOWED_CHATS=", ".join(map(str, (ANNA, OPEN_GROUP, *range(2100, 2100 + _WRITERS)))),
            ADMINS=str(BOSS),
            GATEWAY_BASE_URL="",
            PROVIDERS__WAN__KIND="alibailian",
            PROVIDERS__WAN__BASE_URL=scene.gateway.url,
            PROVIDERS__WAN__API_KEY=scene.gateway.key,
            PROVIDERS__NEWAPI__BASE_URL=f"{scene.gateway.url}/v1/",
            PROVIDERS__NEWAPI__API_KEY=scene.gateway.key,
        )
        yield scene


@pytest.mark.parametrize("person", [OTHER, WANG])
async def test_a_user_without_access_gets_the_chat_id_and_no_watch(scene: Scene, person: int):
    before, task = await _watches(scene), scene.task("newapi")
    refusal = await scene.command(person, f"/watch newapi {task.task_id}")
    assert str(person) in refusal.plain_text
    assert "ALLOWED_CHATS" in refusal.plain_text
    assert await _watches(scene) == before


async def test_a_group_without_access_gets_its_own_id(scene: Scene):
    refusal = await scene.command(CLOSED_GROUP, "/watch newapi 1", user=OTHER)
    assert str(CLOSED_GROUP) in refusal.plain_text


async def test_any_user_may_use_the_bot_in_an_allowed_group(scene: Scene):
    task = scene.task("newapi")
    card = await scene.command(OPEN_GROUP, f"/watch newapi {task.task_id}", user=OTHER)
    assert task.task_id in card.plain_text


async def test_an_allowed_user_may_use_the_bot_in_any_group(scene: Scene):
    task = scene.task("newapi")
    card = await scene.command(CLOSED_GROUP, f"/watch newapi {task.task_id}", user=ANNA)
    assert task.task_id in card.plain_text


async def test_an_admin_may_use_the_bot_anywhere(scene: Scene):
    task = scene.task("newapi")
    for chat in (BOSS, CLOSED_GROUP):
        card = await scene.command(chat, f"/watch newapi {task.task_id}", user=BOSS)
        assert task.task_id in card.plain_text


async def test_health_and_stats_are_for_admins(scene: Scene):
    assert "All is well." in (await scene.command(BOSS, "/health")).plain_text
    assert "Deliveries" in (await scene.command(BOSS, "/stats")).plain_text
    for command in ("/health", "/stats"):
        assert "/help" in (await scene.command(ANNA, command)).plain_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/watch", ["/watch wan "]),
        ("/watch newapi", ["/watch newapi "]),
        ("/watch wan no/such/id", ["no/such/id", "letters, digits"]),
        (f"/watch wan {'x' * 513}", ["letters, digits"]),
        ("/watch midjourney 12345", ["midjourney", "wan, newapi", "/watch wan "]),
        ("/watch sora 12345", ["videos", "wan, newapi", "/watch wan "]),
        ("/watch <b>bold</b> 12345", ["wan, newapi", "/watch wan "]),
        ("/status 12345", ["12345", "/tasks"]),
        ("/unwatch 12345", ["12345", "/tasks"]),
        ("/status no/such/id", ["no/such/id", "letters, digits"]),
        ("/status", ["/watch wan "]),
        ("/abracadabra", ["/help"]),
        ("hello", ["/watch wan "]),
    ],
)
async def test_invalid_input_gets_one_reply_that_shows_what_to_type(scene: Scene, text: str, said: list[str]):
    writer = scene.telegram.private_chat(next(WRITERS))
    answer = await scene.command(writer, text)
    assert [part for part in said if part not in answer.plain_text] == []
    assert "\n" not in answer.plain_text

    await scene.command(writer, "/providers")  # replies in a chat are sent in order
    assert len(scene.telegram.messages(writer)) == 4


async def test_a_valid_id_beside_a_malformed_one_is_watched(scene: Scene):
    task = scene.task("newapi")
    command_id = scene.telegram.send(ANNA, f"/watch newapi no/such/id {task.task_id}")
    await scene.wait_for(lambda: len(scene.replies(ANNA, command_id)) == 2)
    said = {
        task.task_id in answer.plain_text: answer.plain_text for answer in scene.replies(ANNA, command_id)
    }
    assert "no/such/id" in said[False]
    assert "newapi" in said[True]
    await scene.command(ANNA, f"/unwatch {task.task_id}")


async def test_an_edited_command_is_not_run_again(scene: Scene):
    first, second = scene.task("newapi"), scene.task("newapi")
    command_id = await scene.watch(ANNA, first)
    scene.telegram.edit(ANNA, command_id, f"/watch newapi {second.task_id}")
    await scene.command(ANNA, "/providers")
    assert scene.gateway.polls(second.task_id) == 0
    await scene.command(ANNA, f"/unwatch {first.task_id}")


async def test_an_api_key_is_never_shown(scene: Scene):
    text = (await scene.command(ANNA, "/providers")).plain_text
    assert "wan" in text
    assert "127.0.0.1" in text
    assert scene.gateway.key not in text


async def test_help_shows_an_example_that_works(scene: Scene):
    for chat, command in ((ANNA, "/start"), (ANNA, "/help"), (BOSS, "/help")):
        [example] = [
            line
            for line in (await scene.command(chat, command)).plain_text.splitlines()
            if line.startswith("/watch ")
        ]
        _, _, task_id = example.split()
        scene.gateway.add("alibailian", task_id, seconds=None)
        card = await scene.command(chat, example)
        assert task_id in card.plain_text
        await scene.command(chat, f"/unwatch {task_id}")


async def _watches(scene: Scene) -> str:
    """The line about watches in /stats."""
    [line] = [
        line for line in (await scene.command(BOSS, "/stats")).plain_text.splitlines() if "Watches" in line
    ]
    return line
