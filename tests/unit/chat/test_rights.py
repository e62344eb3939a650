"""Who may manage a chat: Telegram is asked where the update itself does not say, and its answer is kept."""

from typing import Any

import pytest
from telegram import Update

from bot.chat.rights import Rights, Verdict
from tests.fakes import updates
from tests.fakes.clock import SteadyClock
from tests.unit.chat.chat_harness import ANN, BORIS, CHANNEL, EVE, GROUP, ChatHarness


class Asking:
    """Rights with a clock, and the updates of users."""

    def __init__(self, harness: ChatHarness) -> None:
        self.request, self._bot = harness.request, harness.application.bot
        self.clock = SteadyClock()
        self._rights = Rights(harness.access, clock=self.clock)

    async def about(self, message: dict[str, Any], kind: str = "message") -> Verdict:
        update = Update.de_json({"update_id": 1, kind: message}, self._bot)
        return await self._rights.may_manage(update, self._bot)

    async def about_member(self, user_id: int, chat_id: int = GROUP) -> Verdict:
        return await self.about(updates.group(chat_id, user_id, "/settings"))

    @property
    def calls(self) -> int:
        return len(self.request.asked)


@pytest.fixture
def asking(harness: ChatHarness) -> Asking:
    return Asking(harness)


async def test_people_in_private_and_the_bot_s_admins_may_without_a_question(asking: Asking):
    assert await asking.about(updates.private(EVE, "/settings")) is Verdict.ALLOWED
    assert await asking.about_member(BORIS) is Verdict.ALLOWED
    assert asking.calls == 0


async def test_anonymous_admins_and_channel_posts_may_without_a_question(asking: Asking):
    assert await asking.about(updates.anonymous_admin(GROUP, "/settings")) is Verdict.ALLOWED
    assert await asking.about(updates.channel_post(CHANNEL, "/settings"), "channel_post") is Verdict.ALLOWED
    assert asking.calls == 0


async def test_who_writes_in_a_group_as_a_channel_may_not(asking: Asking):
    channel = {"id": CHANNEL, "type": "channel", "title": "News"}

    assert await asking.about(updates.group(GROUP, EVE, "/settings", sender_chat=channel)) is Verdict.DENIED


async def test_the_admins_of_a_group_may_and_members_may_not(asking: Asking):
    asking.request.admins = [ANN]

    assert await asking.about_member(ANN) is Verdict.ALLOWED
    assert await asking.about_member(EVE) is Verdict.DENIED


async def test_a_press_in_a_channel_is_one_of_a_person(asking: Asking):
    asking.request.admins = [ANN]
    channel = {"id": CHANNEL, "type": "channel", "title": "News"}

    assert await asking.about(updates.press(channel, ANN, "a"), "callback_query") is Verdict.ALLOWED
    assert await asking.about(updates.press(channel, EVE, "a"), "callback_query") is Verdict.DENIED


async def test_the_admins_of_a_chat_are_remembered_for_a_minute(asking: Asking):
    asking.request.admins = [ANN]
    for user_id in (ANN, EVE, ANN):
        await asking.about_member(user_id)
    assert asking.calls == 1

    asking.request.admins = [EVE]
    asking.clock.advance(59)
    assert await asking.about_member(EVE) is Verdict.DENIED
    asking.clock.advance(2)
    assert await asking.about_member(EVE) is Verdict.ALLOWED
    assert asking.calls == 2


async def test_chats_are_remembered_apart_and_the_oldest_of_many_is_forgotten(asking: Asking):
    for number in range(1001):
        await asking.about_member(ANN, GROUP - number)
    assert asking.calls == 1001

    await asking.about_member(ANN, GROUP - 1000)
    assert asking.calls == 1001
    await asking.about_member(ANN, GROUP)
    assert asking.calls == 1002


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("creator", Verdict.ALLOWED),
        ("administrator", Verdict.ALLOWED),
        ("member", Verdict.DENIED),
        ("left", Verdict.DENIED),
    ],
)
async def test_where_admins_are_not_listed_the_member_is_asked_for_and_remembered(
    asking: Asking, status: str, verdict: Verdict
):
    asking.request.admins, asking.request.members = None, status

    assert await asking.about_member(ANN) is verdict
    assert await asking.about_member(ANN) is verdict
    assert asking.calls == 2
    await asking.about_member(EVE)
    assert asking.calls == 4


async def test_an_error_of_telegram_is_not_a_permission_and_is_not_remembered(asking: Asking):
    asking.request.admins = None
    assert await asking.about_member(ANN) is Verdict.UNKNOWN

    asking.request.admins = [ANN]
    assert await asking.about_member(ANN) is Verdict.ALLOWED


async def test_unwatch_stops_what_one_asked_for_and_names_what_one_may_not_stop(harness: ChatHarness):
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))
    await harness.receive(updates.group(GROUP, EVE, "/watch wan id-2"))

    [reply] = await harness.receive(updates.group(GROUP, EVE, "/unwatch id-1 id-2 id-3"))

    assert reply.splitlines() == [
        "Stopped watching id-2.",
        "Still watching id-1. Only the person who asked for it, this chat's admins and the bot's admins"
        " can stop it.",
        "id-3 isn't being watched here. See /tasks for what is.",
    ]
    [left] = await harness.service.active(GROUP)
    assert left.task.ref.external_id == "id-1"


async def test_unwatch_by_a_group_s_admin_asks_telegram_once_for_many_ids(harness: ChatHarness):
    harness.request.admins = [EVE]
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1 id-2 id-3"))

    [reply] = await harness.receive(updates.group(GROUP, EVE, "/unwatch id-1 id-2 id-3"))

    assert reply == "Stopped watching 3 tasks: id-1, id-2, id-3"
    assert len(harness.request.asked) == 1


async def test_unwatch_while_telegram_does_not_say_who_is_an_admin_stops_nothing(harness: ChatHarness):
    harness.request.admins = None
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1 id-2"))

    [reply] = await harness.receive(updates.group(GROUP, EVE, "/unwatch id-1 id-2"))

    assert reply == (
        "Still watching id-1, id-2. Telegram didn't tell me whether you're an admin here. Please try again."
    )
    assert len(await harness.service.active(GROUP)) == 2


async def test_an_anonymous_admin_and_whoever_posts_in_a_channel_may_unwatch(harness: ChatHarness):
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))
    await harness.receive(updates.channel_post(CHANNEL, "/watch wan id-1"), kind="channel_post")

    assert await harness.receive(updates.anonymous_admin(GROUP, "/unwatch")) == ["Stopped watching id-1."]
    stopped = await harness.receive(updates.channel_post(CHANNEL, "/unwatch"), kind="channel_post")
    assert stopped == ["Stopped watching id-1."]
    [of_group] = await harness.store.watches_of(GROUP, "id-1")
    [of_channel] = await harness.store.watches_of(CHANNEL, "id-1")
    assert (of_group.watch.stopped_by, of_channel.watch.stopped_by) == ("Films", None)
