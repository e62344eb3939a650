"""The one-time code for a bot that nobody may use yet."""

import logging
import re

import pytest

from bot.log_lines import RedactingFilter
from bot.watching.access import Access
from bot.watching.first_admin import TRIES_OF_A_USER, FirstAdmin
from storage.store import Store
from tests.contract.store.driver import NOON
from tests.fakes.log_lines import json_lines

EVE, MALLORY = 66, 67


class Scene:
    """A bot, and what its log has shown."""

    def __init__(self, store: Store, *, everyone: bool = False, ids: tuple[int, ...] = ()) -> None:
        self.now_s = 0.0
        self.access = Access(store, everyone=everyone, ids=ids, admin_ids=(), clock=lambda: NOON)
        self.first_admin = FirstAdmin(store, self.access, clock=lambda: NOON, monotonic=lambda: self.now_s)


def code_in(caplog: pytest.LogCaptureFixture) -> str:
    found = re.search(r"/start (\S+)", caplog.text)
    assert found is not None
    return found[1]


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


async def test_the_code_makes_its_sender_the_only_first_admin(
    store: Store, scene: Scene, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    scene.first_admin.show_code()
    code = code_in(caplog)

    assert await scene.first_admin.claim(code, EVE)

    assert scene.access.is_admin(EVE)
    assert not await scene.first_admin.claim(code, MALLORY)
    assert (await store.access_lists()).admins == {EVE}
    assert [each["event"] for each in json_lines(caplog.records)] == [
        "first_admin_awaited",
        "admin_added",
    ]


async def test_it_is_shown_only_while_nobody_has_access(store: Store, caplog: pytest.LogCaptureFixture):
    for each in (Scene(store, everyone=True), Scene(store, ids=(EVE,))):
        await each.access.load()
        each.first_admin.show_code()
    assert caplog.records == []
    await store.sync_allowed_chats([], at=NOON)

    scene = Scene(store)
    await scene.access.load()
    scene.first_admin.show_code()
    assert len(caplog.records) == 1


async def test_the_next_start_shows_another_code_until_there_is_an_admin(
    store: Store, caplog: pytest.LogCaptureFixture
):
    codes = []
    for _ in range(2):
        scene = Scene(store)
        await scene.access.load()
        scene.first_admin.show_code()
        codes.append(code_in(caplog))
        caplog.clear()
    assert codes[0] != codes[1]
    assert await scene.first_admin.claim(codes[1], EVE)
    caplog.clear()

    restarted = Scene(store)
    await restarted.access.load()
    restarted.first_admin.show_code()
    assert caplog.records == []
    assert restarted.access.is_admin(EVE)


async def test_a_replica_takes_the_code_that_the_leader_has_shown_and_no_other(
    store: Store, caplog: pytest.LogCaptureFixture
):
    leader, standby = Scene(store), Scene(store)
    leader.first_admin.show_code()
    assert not await standby.first_admin.claim(code_in(caplog), EVE)

    standby.first_admin.digest = leader.first_admin.digest
    assert standby.first_admin.digest
    assert not await standby.first_admin.claim(standby.first_admin.digest, EVE)
    assert await standby.first_admin.claim(code_in(caplog), EVE)


async def test_guesses_are_limited_for_each_user_and_for_all(scene: Scene, caplog: pytest.LogCaptureFixture):
    scene.first_admin.show_code()
    code = code_in(caplog)
    for _ in range(TRIES_OF_A_USER):
        assert not await scene.first_admin.claim("0" * len(code), MALLORY)
    assert not await scene.first_admin.claim(code, MALLORY)

    for user in range(100, 195):
        assert not await scene.first_admin.claim("é\ud800", user)
    assert not await scene.first_admin.claim(code, EVE)

    scene.now_s = 3600.0
    assert await scene.first_admin.claim(code, EVE)


async def test_later_log_lines_do_not_show_the_code(scene: Scene, caplog: pytest.LogCaptureFixture):
    handler = logging.NullHandler()
    redacting = RedactingFilter([])
    handler.addFilter(redacting)
    logging.getLogger().addHandler(handler)
    try:
        scene.first_admin.show_code()
        code = code_in(caplog)
    finally:
        logging.getLogger().removeHandler(handler)
    record = logging.LogRecord("x", logging.INFO, "x", 1, f"got /start {code}", None, None)
    redacting.filter(record)
    assert code not in record.getMessage()


async def test_the_code_has_at_least_64_bits(scene: Scene, caplog: pytest.LogCaptureFixture):
    scene.first_admin.show_code()
    assert re.fullmatch("[0-9a-f]{16,}", code_in(caplog))
