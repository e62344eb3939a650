"""Claims and settles the deliveries of a batch."""

from storage.outbox import BatchDelivery, ClaimedDelivery, ThrottledChats, WatchDelivery
from tests.contract.store.driver import LEASE_S, Driver

FOUR = ("a", "b", "c", "d")


async def claim(driver: Driver, throttled: ThrottledChats | None = None) -> list[ClaimedDelivery]:
    return await driver.store.claim_deliveries(
        100, throttled or ThrottledChats(), at=driver.now, lease_s=LEASE_S
    )


async def claim_card(driver: Driver) -> BatchDelivery:
    """Claim the batch's card, which is the only delivery that can be sent."""
    (out,) = await claim(driver)
    assert isinstance(out, BatchDelivery)
    return out


async def send(driver: Driver) -> list[str]:
    """Send everything that can be sent; returns what it was, in order."""
    sent = []
    while claimed := await claim(driver):
        for out in claimed:
            together = (out, *out.companions) if isinstance(out, WatchDelivery) else (out,)
            for each in together:
                await driver.settle(each, message_id=1000 + each.delivery.id, digest="shown")
            sent.append(out.delivery.kind.value)
    return sent
