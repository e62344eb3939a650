"""The buttons that several messages share."""

from bot.messages.callback_data import CheckNow, SendAgain, Stop
from bot.messages.translate import t
from bot.messages.view import Button
from storage.models import Watch


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
