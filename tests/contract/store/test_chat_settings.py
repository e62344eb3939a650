"""What chats choose in /settings, and where it counts."""

from storage.chat_settings import DEFAULT_SETTINGS, ChatSettings, ResultForm, Sound
from storage.models import DeliveryKind, DeliveryState, StoredFile, TaskStatus
from storage.outbox import Settlement, WatchDelivery
from tests.contract.store.driver import CHAT, LEASE_S, Driver
from tests.contract.store.test_reports import failure

NEW = -100200300
CHOSEN = ChatSettings(language="zh", sound=Sound.ALL, result_form=ResultForm.BOTH, pins_batch_card=True)


async def test_a_chat_that_has_chosen_nothing_has_the_defaults(driver: Driver):
    assert await driver.store.chat_settings(CHAT) == DEFAULT_SETTINGS


async def test_settings_are_read_as_last_saved_and_are_of_one_chat(driver: Driver):
    await driver.store.save_chat_settings(CHAT, ChatSettings(sound=Sound.NONE))
    await driver.store.save_chat_settings(CHAT, CHOSEN)

    assert await driver.store.chat_settings(CHAT) == CHOSEN
    assert await driver.store.chat_settings(5) == DEFAULT_SETTINGS

    await driver.store.save_chat_settings(CHAT, DEFAULT_SETTINGS)
    assert await driver.store.chat_settings(CHAT) == DEFAULT_SETTINGS


async def test_the_chat_s_language_counts_for_the_watches_that_it_has_and_is_not_copied_to_them(
    driver: Driver,
):
    await driver.watch()
    await driver.store.save_chat_settings(CHAT, ChatSettings(language="zh"))

    again = await driver.watch()
    [listed] = await driver.store.active_watches(CHAT)
    [card] = await driver.claim()
    assert [each.watch.language for each in (again, listed, card.watched)] == ["zh"] * 3

    await driver.store.save_chat_settings(CHAT, DEFAULT_SETTINGS)
    [listed] = await driver.store.active_watches(CHAT)
    assert listed.watch.language == "en"


async def test_a_report_is_in_the_language_that_the_admin_has_chosen(driver: Driver):
    await driver.store.save_chat_settings(CHAT, ChatSettings(language="zh", sound=Sound.NONE))
    await driver.store.enqueue_report(CHAT, failure(), at=driver.now)

    [out] = await driver.claim_reports()
    assert (out.report.language, out.is_silent) == ("zh", True)


async def test_a_delivery_is_claimed_with_the_settings_of_its_chat(driver: Driver):
    await driver.store.save_chat_settings(CHAT, CHOSEN)
    await driver.watch()
    await driver.watch(chat_id=5)

    assert {one.delivery.chat_id: one.settings for one in await driver.claim()} == {
        CHAT: CHOSEN,
        5: DEFAULT_SETTINGS,
    }


async def test_a_migrated_group_keeps_its_settings(driver: Driver):
    await driver.store.save_chat_settings(CHAT, CHOSEN)
    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    assert await driver.store.chat_settings(NEW) == CHOSEN
    assert await driver.store.chat_settings(CHAT) == DEFAULT_SETTINGS


async def test_the_settings_that_a_supergroup_has_already_are_kept(driver: Driver):
    await driver.store.save_chat_settings(CHAT, CHOSEN)
    await driver.store.save_chat_settings(NEW, ChatSettings(sound=Sound.NONE))
    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    assert await driver.store.chat_settings(NEW) == ChatSettings(sound=Sound.NONE)


async def test_settings_are_kept_when_everything_else_of_the_chat_is_pruned(driver: Driver):
    await driver.store.save_chat_settings(CHAT, CHOSEN)
    while await driver.store.prune(older_than=driver.later(10**8), limit=100):
        pass

    assert await driver.store.chat_settings(CHAT) == CHOSEN


async def sent_video(driver: Driver, *, wants_document: bool, chat_id: int = CHAT) -> WatchDelivery:
    """A video that was sent as message 70."""
    watched = await driver.watch(chat_id=chat_id)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    result = await driver.claim_one(DeliveryKind.RESULT)
    settlement = Settlement(
        state=DeliveryState.SENT,
        at=driver.now,
        message_id=70,
        file=StoredFile(file_id="video", is_video=True),
        wants_document=wants_document,
    )
    await driver.store.settle(result.delivery.id, settlement)
    return result


async def test_a_video_that_wants_its_document_is_followed_by_it_once_as_a_reply(driver: Driver):
    await sent_video(driver, wants_document=True)

    [document] = [one for one in await driver.claim() if one.delivery.kind is DeliveryKind.DOCUMENT]
    assert document.reply_to == 70
    stored = StoredFile(file_id="document", is_video=False)
    await driver.store.settle(
        document.delivery.id,
        Settlement(state=DeliveryState.SENT, at=driver.now, message_id=71, file=stored),
    )

    assert await driver.claim() == []
    task = await driver.store.task(document.task.id)
    assert task
    assert task.document == stored
    assert task.file == StoredFile(file_id="video", is_video=True)


async def test_a_video_that_does_not_is_not(driver: Driver):
    await sent_video(driver, wants_document=False)

    assert DeliveryKind.DOCUMENT not in {one.delivery.kind for one in await driver.claim()}


async def test_a_document_is_not_a_reply_to_a_message_of_the_group_before_its_migration(driver: Driver):
    await sent_video(driver, wants_document=True)
    await driver.store.migrate_chat(CHAT, NEW, at=driver.now)

    [document] = await driver.store.claim_deliveries(9, at=driver.now, lease_s=LEASE_S)
    assert isinstance(document, WatchDelivery)
    assert (document.delivery.kind, document.delivery.chat_id) == (DeliveryKind.DOCUMENT, NEW)
    assert document.reply_to is None
