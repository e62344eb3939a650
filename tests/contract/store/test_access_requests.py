"""Requests for access, the admins' decisions, and the list of both."""

from dataclasses import replace

import pytest

from storage.access import (
    AccessQuestion,
    AccessState,
    Admin,
    ChatProfile,
    Greeting,
    RequestOutcome,
)
from storage.models import DeliveryKind, DeliveryState
from storage.outbox import AccessDelivery
from tests.contract.store.driver import Driver
from tests.contract.store.test_reports import failure

BORIS, CAROL = Admin(id=7, name="Boris"), Admin(id=8, name="Carol")
ADMINS = {BORIS.id: "en", CAROL.id: "zh"}
GROUP, NEW, EVE = -77, -1001, 66
FILMS = ChatProfile(chat_id=GROUP, chat_type="group", title="Films", user_name="Eve", language="en")
HOUR_S = 3600.0


async def ask(driver: Driver, chat: ChatProfile = FILMS) -> RequestOutcome:
    return await driver.store.request_access(chat, ADMINS, at=driver.now)


async def claim(driver: Driver) -> list[AccessDelivery]:
    found = await driver.store.claim_deliveries(100, at=driver.now, lease_s=60)
    return [one for one in found if isinstance(one, AccessDelivery)]


async def send(driver: Driver) -> list[tuple[int, AccessQuestion | Greeting]]:
    """Send all that can be sent: to whom, and what."""
    sent = []
    while claimed := await claim(driver):
        for one in claimed:
            await driver.settle(one)
            sent.append((one.delivery.chat_id, one.content))
    return sorted(sent, key=lambda each: each[0])


async def open_request(driver: Driver, chat: ChatProfile = FILMS) -> int:
    """Ask, and return the request's id, as the admins' messages carry it."""
    assert await ask(driver, chat) is RequestOutcome.ASKED
    (_, question), _ = await send(driver)
    assert isinstance(question, AccessQuestion)
    return question.request_id


async def allowed(driver: Driver, *in_settings: int) -> frozenset[int]:
    return await driver.store.sync_allowed_chats(in_settings, at=driver.now)


async def test_each_admin_gets_one_question_in_their_language(driver: Driver):
    assert await ask(driver) is RequestOutcome.ASKED

    (boris, to_boris), (carol, to_carol) = await send(driver)

    assert (boris, carol) == (BORIS.id, CAROL.id)
    assert isinstance(to_boris, AccessQuestion)
    assert to_boris == AccessQuestion(request_id=to_boris.request_id, chat=FILMS, language="en")
    assert to_carol == replace(to_boris, language="zh")


async def test_a_chat_is_asked_about_once_an_hour(driver: Driver):
    await open_request(driver)
    driver.advance(HOUR_S - 1)
    assert await ask(driver) is RequestOutcome.WAITING
    assert await send(driver) == []

    driver.advance(2)
    assert await ask(driver) is RequestOutcome.ASKED
    assert len(await send(driver)) == 2


async def test_the_admins_are_asked_at_most_twenty_times_an_hour(driver: Driver):
    for number in range(20):
        assert await ask(driver, replace(FILMS, chat_id=-number - 1)) is RequestOutcome.ASKED
    assert await ask(driver, replace(FILMS, chat_id=-100)) is RequestOutcome.LIMITED

    driver.advance(HOUR_S + 1)
    assert await ask(driver, replace(FILMS, chat_id=-100)) is RequestOutcome.ASKED


async def test_without_admins_nobody_is_asked(driver: Driver):
    assert await driver.store.request_access(FILMS, {}, at=driver.now) is RequestOutcome.LIMITED
    assert await driver.store.access_entries(offset=0, limit=9) == ([], 0)


async def test_an_allowed_chat_is_told_so_and_stays_allowed_whatever_the_settings_say(driver: Driver):
    decision = await driver.store.decide_request(
        await open_request(driver), BORIS, is_allowed=True, at=driver.now
    )

    assert decision is not None
    assert (decision.chat, decision.state, decision.admin) == (FILMS, AccessState.ALLOWED, BORIS)
    assert decision.is_new
    assert await send(driver) == [(GROUP, Greeting(is_now_allowed=True, language="en"))]
    assert await allowed(driver) == {GROUP}
    assert await allowed(driver, GROUP) == {GROUP}
    assert await allowed(driver) == {GROUP}


async def test_the_first_decision_counts(driver: Driver):
    request_id = await open_request(driver)
    first = await driver.store.decide_request(request_id, BORIS, is_allowed=False, at=driver.now)
    second = await driver.store.decide_request(request_id, CAROL, is_allowed=True, at=driver.now)

    assert first is not None
    assert second == replace(first, is_new=False)
    assert await allowed(driver) == set()
    assert await driver.store.decide_request(999, BORIS, is_allowed=True, at=driver.now) is None


async def test_questions_that_were_not_sent_before_the_decision_are_not_sent(driver: Driver):
    await ask(driver)
    to_boris, to_carol = await claim(driver)
    await driver.settle(to_boris)
    assert isinstance(to_boris.content, AccessQuestion)
    request_id = to_boris.content.request_id

    await driver.store.decide_request(request_id, BORIS, is_allowed=False, at=driver.now)
    await driver.settle(to_carol, DeliveryState.PENDING)

    assert await send(driver) == []


async def test_a_refused_chat_is_told_nothing_and_not_asked_about_until_it_is_allowed(driver: Driver):
    await driver.store.decide_request(await open_request(driver), BORIS, is_allowed=False, at=driver.now)
    driver.advance(30 * 24 * HOUR_S)
    await driver.store.prune(older_than=driver.now, limit=100)

    assert await ask(driver) is RequestOutcome.REFUSED
    assert await send(driver) == []
    assert (await driver.store.access_lists()).refused == {GROUP}

    assert await driver.store.allow_chat(GROUP, CAROL, at=driver.now) is not None
    assert await allowed(driver) == {GROUP}
    assert (await driver.store.access_lists()).refused == set()
    assert await send(driver) == [(GROUP, Greeting(is_now_allowed=True, language="en"))]


async def test_a_refused_chat_that_the_settings_name_is_allowed(driver: Driver):
    await driver.store.decide_request(await open_request(driver), BORIS, is_allowed=False, at=driver.now)
    await allowed(driver, GROUP)
    assert (await driver.store.access_lists()).refused == set()


async def test_a_removed_chat_is_not_allowed_and_may_ask_again_an_hour_after_it_asked(driver: Driver):
    request_id = await open_request(driver)
    await driver.store.decide_request(request_id, BORIS, is_allowed=True, at=driver.now)

    assert await driver.store.remove_chat(GROUP, CAROL, at=driver.now)

    assert await send(driver) == []  # also not that it is allowed
    assert await allowed(driver) == set()
    assert await driver.store.access_entries(offset=0, limit=9) == ([], 0)
    assert not await driver.store.remove_chat(GROUP, CAROL, at=driver.now)
    assert await driver.store.allow_chat(GROUP, CAROL, at=driver.now) is None
    assert await ask(driver) is RequestOutcome.LIMITED
    driver.advance(HOUR_S + 1)
    assert await ask(driver) is RequestOutcome.ASKED


async def test_a_chat_that_the_settings_name_cannot_be_removed(driver: Driver):
    await allowed(driver, GROUP)
    assert not await driver.store.remove_chat(GROUP, BORIS, at=driver.now)
    assert await allowed(driver, GROUP) == {GROUP}


async def test_the_list_shows_who_is_allowed_waiting_and_refused_page_by_page(driver: Driver):
    await allowed(driver, EVE)
    for chat_id, is_allowed in ((-1, True), (-2, False)):
        request_id = await open_request(driver, replace(FILMS, chat_id=chat_id, title=f"Films {chat_id}"))
        await driver.store.decide_request(request_id, BORIS, is_allowed=is_allowed, at=driver.now)
        await send(driver)
    await open_request(driver, replace(FILMS, chat_id=-3))

    first, total = await driver.store.access_entries(offset=0, limit=2)
    second, _ = await driver.store.access_entries(offset=2, limit=2)

    assert total == 4
    assert [(one.chat_id, one.state, one.is_in_settings) for one in (*first, *second)] == [
        (-1, "allowed", False),
        (EVE, "allowed", True),
        (-3, "requested", False),
        (-2, "refused", False),
    ]
    assert (first[0].title, first[0].chat_type) == ("Films -1", "group")


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_a_decision_stays_when_the_group_becomes_a_supergroup(driver: Driver, is_allowed: bool):
    request_id = await open_request(driver)
    await driver.store.decide_request(request_id, BORIS, is_allowed=is_allowed, at=driver.now)
    for _ in range(2):  # Telegram sends the update in both chats
        await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    assert await allowed(driver) == ({NEW} if is_allowed else set())
    assert (await driver.store.access_lists()).refused == (set() if is_allowed else {NEW})
    assert [chat_id for chat_id, _ in await send(driver)] == ([NEW] if is_allowed else [])


async def test_an_open_request_can_be_decided_after_the_group_became_a_supergroup(driver: Driver):
    request_id = await open_request(driver)
    await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    decision = await driver.store.decide_request(request_id, BORIS, is_allowed=True, at=driver.now)

    assert decision is not None
    assert decision.chat == replace(FILMS, chat_id=NEW, chat_type="supergroup")
    assert await allowed(driver) == {NEW}


async def test_requests_that_nobody_answers_and_their_questions_are_pruned(driver: Driver):
    await ask(driver)
    driver.advance(HOUR_S)
    await driver.store.prune(older_than=driver.now, limit=100)
    assert await send(driver) == []
    assert await driver.store.access_entries(offset=0, limit=9) == ([], 0)


async def test_a_question_is_pruned_though_its_sending_to_a_lost_chat_never_ended(driver: Driver):
    await ask(driver)
    for question in await claim(driver):
        await driver.store.note_unconfirmed_call(question.delivery.id, at=driver.now)
        await driver.store.chat_lost(question.delivery.chat_id, "blocked", at=driver.now)
    driver.advance(HOUR_S)

    await driver.store.prune(older_than=driver.now, limit=100)

    assert not any((await driver.store.stats()).deliveries.values())


async def test_former_admins_get_no_questions(driver: Driver):
    await ask(driver)
    await driver.store.supersede_reports_to_all_but([CAROL.id], at=driver.now)
    assert [chat_id for chat_id, _ in await send(driver)] == [CAROL.id]


async def test_there_is_one_first_admin_and_none_once_anyone_has_access(driver: Driver):
    assert await driver.store.add_first_admin(EVE, at=driver.now)
    assert not await driver.store.add_first_admin(BORIS.id, at=driver.now)
    assert (await driver.store.access_lists()).admins == {EVE}


async def test_nobody_becomes_the_first_admin_of_a_bot_with_allowed_chats(driver: Driver):
    await allowed(driver, GROUP)
    assert not await driver.store.add_first_admin(EVE, at=driver.now)
    assert (await driver.store.access_lists()).admins == set()


async def test_a_chat_is_greeted_once_per_occasion(driver: Driver):
    greeting = Greeting(is_now_allowed=False, language="zh")
    for occasion in ("added 1", "added 1", "added 2"):
        await driver.store.greet(GROUP, greeting, occasion=occasion, at=driver.now)
    assert await send(driver) == [(GROUP, greeting)] * 2
    await driver.store.greet(GROUP, greeting, occasion="added 1", at=driver.now)
    assert await send(driver) == []


async def test_questions_do_not_hinder_reports_to_the_same_admin(driver: Driver):
    await driver.store.enqueue_report(BORIS.id, failure(), at=driver.now)
    await ask(driver)
    kinds = []
    while found := await driver.store.claim_deliveries(100, at=driver.now, lease_s=60):
        kinds += [one.delivery.kind for one in found if one.delivery.chat_id == BORIS.id]
        for one in found:
            await driver.settle(one)
    assert sorted(kinds) == [DeliveryKind.QUESTION, DeliveryKind.REPORT]
