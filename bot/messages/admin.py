"""What the bot's admins are told unasked."""

from collections.abc import Sequence

from bot.messages.limits import plain
from bot.messages.lines import block
from bot.messages.translate import say
from bot.messages.view import View

_HOST_UNITS = 120
_NAMES_UNITS = 200


def gateway_changed(
    status: str, *, host: str, names: Sequence[str], http_status: int | None, count: int, language: str
) -> View:
    """A gateway has stopped answering, or answers again."""
    gateway = f"<b>{plain(host, _HOST_UNITS)}</b> ({plain(', '.join(names), _NAMES_UNITS)})"
    icon = "✅" if status == "up" else "⚠️"
    http = f" (HTTP {http_status})" if http_status else ""
    return View(
        text=block(
            [
                f"{icon} {say(language, f'admin.{status}', gateway=gateway, http=http)}",
                say(language, "admin.waiting", count=count) if count else None,
            ]
        )
    )
