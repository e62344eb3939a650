"""The buttons that several messages share, and rows of buttons."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bot.messages.callback_data import (
    CallbackData,
    CheckNow,
    Details,
    OriginalFile,
    SendAgain,
    SendBatchAgain,
    Stop,
    StopBatch,
)
from bot.messages.limits import utf16_len
from bot.messages.translate import t
from bot.messages.view import Button
from storage.watches import Batch, Watch

MOST_CHOICES = 40  # buttons to choose from under one message; Telegram allows 100 buttons
_COPY_UNITS = 256  # https://core.telegram.org/bots/api#copytextbutton
_LAST_PAGE = 1000

Choice = TypeVar("Choice", bound=str)


def send_again(watch: Watch) -> Button:
    """The button that delivers a result again."""
    label = f"🔁 {t(watch.language, 'result.send_again')}"
    return Button(label=label, action=SendAgain(watch_id=watch.id).pack())


def check_again(watch: Watch) -> Button:
    """The button that resumes polling a resting task."""
    label = f"🔄 {t(watch.language, 'stall.check_again')}"
    return Button(label=label, action=CheckNow(watch_id=watch.id).pack())


def check_now(watch: Watch) -> Button:
    """The button that polls a task now."""
    label = f"🔄 {t(watch.language, 'button.check_now')}"
    return Button(label=label, action=CheckNow(watch_id=watch.id).pack())


def stop(watch: Watch) -> Button:
    """The button that stops a watch."""
    return Button(label=f"⏹ {t(watch.language, 'button.stop')}", action=Stop(watch_id=watch.id).pack())


def original_file(watch: Watch) -> Button:
    """The button that sends the file of a video."""
    label = f"📄 {t(watch.language, 'button.original_file')}"
    return Button(label=label, action=OriginalFile(watch_id=watch.id).pack())


def details(watch: Watch, *, is_shown: bool) -> Button:
    """The button that shows the details of a task, or hides them."""
    label = f"ℹ️ {t(watch.language, 'button.details')}"
    if not is_shown:
        label = f"↩️ {t(watch.language, 'button.hide_details')}"
    return Button(label=label, action=Details(watch_id=watch.id, is_shown=is_shown).pack())


def copy_id(external_id: str, language: str) -> Button | None:
    """The button that copies a task id; None for one too long for Telegram to copy."""
    if utf16_len(external_id) > _COPY_UNITS:
        return None
    return Button(label=f"📋 {t(language, 'button.copy_id')}", copy=external_id)


def stop_all(batch: Batch) -> Button:
    """The button that stops all watches of a batch."""
    label = f"⏹ {t(batch.language, 'batch.stop_all')}"
    return Button(label=label, action=StopBatch(batch_id=batch.id).pack())


def send_batch_again(batch: Batch) -> Button:
    """The button that delivers the results of a batch again that did not arrive."""
    label = f"🔁 {t(batch.language, 'batch.send_again')}"
    return Button(label=label, action=SendBatchAgain(batch_id=batch.id).pack())


def in_rows(buttons: Sequence[Button], per_row: int) -> tuple[tuple[Button, ...], ...]:
    """The buttons in rows of the same length; the last one may be shorter."""
    return tuple(tuple(buttons[index : index + per_row]) for index in range(0, len(buttons), per_row))


def filters(
    labels: Mapping[Choice, str], chosen: Choice | None, action: Callable[[Choice | None], CallbackData]
) -> list[Button]:
    """A button for each choice, with its label; the chosen one is marked, and undoes the filter.

    action: the callback data that shows only a choice; None: all.
    """
    return [
        Button(
            label=f"✓ {label}" if choice == chosen else label,
            action=action(None if choice == chosen else choice).pack(),
        )
        for choice, label in labels.items()
    ]


def bounded_page(page: int) -> int:
    """The page of a list that a button names; anybody can send a number that makes the database skip rows."""
    return max(0, min(page, _LAST_PAGE))


def turning(
    page: int, pages: int, action: Callable[[int], CallbackData], *, is_counted: bool = True
) -> tuple[tuple[Button, ...], ...]:
    """A row to the page before, this page again, and the next; no row if there is only one page.

    page: from 0. action: the callback data that shows a page. is_counted: pages is the number of all pages,
    which the row shows; otherwise more may follow.
    """
    if pages <= 1:
        return ()
    labels = {page - 1: "◀", page: f"{page + 1}/{pages}" if is_counted else str(page + 1), page + 1: "▶"}
    return (
        tuple(
            Button(label=label, action=action(number).pack())
            for number, label in labels.items()
            if 0 <= number < pages
        ),
    )
