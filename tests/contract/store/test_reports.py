"""Reports to the admins about gateways."""

from dataclasses import replace

import pytest

from storage.models import Chat, DeliveryState
from storage.outbox import AdminReport, ChatAddress
from tests.contract.store.driver import LEASE_S, Driver

ADMIN, OTHER = 7, 8


def failure(host: str = "gateway.example") -> AdminReport:
    return AdminReport(
        gateway=f"{host} wan",
        is_recovery=False,
        status="away",
        host=host,
        names=("wan", "通义"),
        detail="HTTP 502",
        waiting=20,
        language="en",
    )


def recovery(host: str = "gateway.example") -> AdminReport:
    return AdminReport(
        gateway=f"{host} wan",
        is_recovery=True,
        status="up",
        host=host,
        names=("wan", "通义"),
        detail=None,
        waiting=0,
        language="en",
    )


async def enqueue(driver: Driver, *reports: AdminReport, admin: int = ADMIN) -> None:
    for report in reports:
        assert await driver.store.enqueue_report(admin, report, at=driver.now)


async def send(driver: Driver, state: DeliveryState = DeliveryState.SENT) -> list[AdminReport]:
    """Send all reports that can be sent."""
    sent = []
    while claimed := await driver.claim_reports():
        for one in claimed:
            await driver.settle(one, state)
            sent.append(one.report)
    return sent


async def test_a_report_is_claimed_as_enqueued_and_addressed_to_the_admin(driver: Driver):
    await enqueue(driver, failure())

    (claimed,) = await driver.claim_reports()

    assert claimed.report == failure()
    assert claimed.delivery.address == ChatAddress(chat_id=ADMIN)
    assert await driver.claim_reports() == []
    driver.advance(LEASE_S)
    assert len(await driver.claim_reports()) == 1


async def test_each_change_of_a_gateway_is_reported_once_to_each_admin(driver: Driver):
    for admin in (ADMIN, OTHER):
        await enqueue(driver, failure(), failure(), admin=admin)
    assert len(await send(driver)) == 2
    await enqueue(driver, failure())
    assert await send(driver) == []

    for admin in (ADMIN, OTHER):
        await enqueue(driver, recovery(), recovery(), admin=admin)
    assert await send(driver) == [recovery(), recovery()]
    await enqueue(driver, recovery())
    assert await send(driver) == []

    await enqueue(driver, failure())
    assert await send(driver) == [failure()]


async def test_a_failure_of_another_gateway_is_reported_as_well(driver: Driver):
    await enqueue(driver, failure(), failure("other.example"))
    assert await send(driver) == [failure(), failure("other.example")]

    await enqueue(driver, recovery(), failure("other.example"))

    assert await send(driver) == [recovery()]


async def test_a_recovery_of_a_gateway_whose_failure_was_not_reported_is_no_news(driver: Driver):
    await enqueue(driver, recovery())

    assert await send(driver) == []


async def test_a_failure_that_was_over_before_it_was_sent_is_not_reported_nor_is_its_end(driver: Driver):
    await enqueue(driver, failure(), recovery())

    assert await send(driver) == []
    await enqueue(driver, failure())
    assert await send(driver) == [failure()]


async def test_a_recovery_that_was_over_before_it_was_sent_is_not_reported(driver: Driver):
    await enqueue(driver, failure())
    await send(driver)

    await enqueue(driver, recovery(), failure())

    assert await send(driver) == []
    await enqueue(driver, recovery())
    assert await send(driver) == [recovery()]


async def test_an_unsent_report_shows_how_the_gateway_fails_now(driver: Driver):
    now = replace(failure(), status="key", detail="HTTP 401", waiting=30)
    await enqueue(driver, failure(), now)
    assert await send(driver) == [now]

    await enqueue(driver, failure())
    assert await send(driver) == []


async def test_nothing_is_enqueued_while_a_report_of_the_gateway_is_being_sent(driver: Driver):
    await enqueue(driver, failure())
    (claimed,) = await driver.claim_reports()

    assert not await driver.store.enqueue_report(ADMIN, recovery(), at=driver.now)
    await driver.settle(claimed)
    await enqueue(driver, recovery())
    (claimed,) = await driver.claim_reports()
    assert not await driver.store.enqueue_report(ADMIN, failure(), at=driver.now)
    await driver.settle(claimed)
    await enqueue(driver, failure())

    assert await send(driver) == [failure()]


@pytest.mark.parametrize("state", [DeliveryState.UNKNOWN, DeliveryState.DEAD])
async def test_a_report_that_may_not_have_arrived_counts(driver: Driver, state: DeliveryState):
    await enqueue(driver, failure())
    await send(driver, state)
    await enqueue(driver, failure())
    assert await send(driver) == []

    await enqueue(driver, recovery())
    assert await send(driver, state) == [recovery()]
    await enqueue(driver, failure())
    assert await send(driver) == [failure()]


async def test_pruning_keeps_what_was_reported_of_a_gateway_that_is_down(driver: Driver):
    await enqueue(driver, failure())
    await send(driver)
    driver.advance(100)

    await driver.store.prune(older_than=driver.now, limit=100)
    await enqueue(driver, failure())
    assert await send(driver) == []
    await enqueue(driver, recovery())
    await send(driver)
    driver.advance(100)
    await driver.store.prune(older_than=driver.now, limit=100)

    assert not any((await driver.store.stats()).deliveries.values())


async def test_a_report_waits_for_an_admin_who_cannot_be_reached(driver: Driver):
    await enqueue(driver, failure())
    (claimed,) = await driver.claim_reports()
    await driver.store.chat_lost(ADMIN, "blocked", at=driver.now)
    await driver.settle(claimed, DeliveryState.PENDING, retry_s=0)

    assert await driver.claim_reports() == []
    assert await driver.store.next_delivery_at() is None
    driver.advance(100)
    await driver.store.prune(older_than=driver.now, limit=100)
    assert await driver.claim_reports() == []
    await driver.store.chat_found(ADMIN, at=driver.now)

    assert await send(driver) == [failure()]


async def test_a_flood_wait_of_an_admin_without_watches_is_kept(driver: Driver):
    await enqueue(driver, failure())
    await driver.claim_reports()

    await driver.store.throttle_chat(ADMIN, until=driver.later(60))

    assert await driver.store.throttled_chats(at=driver.now) == {ADMIN: driver.later(60)}


async def test_who_is_no_longer_an_admin_gets_no_report(driver: Driver):
    for admin in (ADMIN, OTHER):
        await enqueue(driver, failure(), admin=admin)
    await enqueue(driver, failure("other.example"), admin=OTHER)

    await driver.store.supersede_reports_to_all_but([ADMIN], at=driver.now)

    assert len(await send(driver)) == 1
    await enqueue(driver, failure(), admin=OTHER)
    assert await send(driver) == [failure()]


async def test_a_report_goes_after_notices_and_before_cards_and_follows_its_chat(driver: Driver):
    await driver.store.save_chat(Chat(id=ADMIN, title=""), at=driver.now)
    await enqueue(driver, failure())
    await driver.watch()

    first, second = await driver.store.claim_deliveries(9, at=driver.now, lease_s=LEASE_S)
    assert [first.delivery.kind, second.delivery.kind] == ["report", "card"]
    await driver.store.migrate_chat(ADMIN, -100, at=driver.now)
    driver.advance(LEASE_S)

    found = await driver.store.claim_deliveries(9, at=driver.now, lease_s=LEASE_S)
    assert -100 in {one.delivery.chat_id for one in found}
