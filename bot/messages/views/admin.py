"""Notifications to the bot's admins."""

from collections.abc import Sequence

from bot.messages.limits import escape_line
from bot.messages.lines import join_lines
from bot.messages.translate import t
from bot.messages.view import View

_HOST_UNITS = 120
_NAMES_UNITS = 200


def gateway_changed(
    status: str,
    *,
    host: str,
    names: Sequence[str],
    detail: str | None,
    count: int,
    language: str,
) -> View:
    """A gateway is down or has recovered; detail: the HTTP status, or the target of a redirect."""
    gateway = f"<b>{escape_line(host, _HOST_UNITS)}</b> ({escape_line(', '.join(names), _NAMES_UNITS)})"
    icon = "✅" if status == "up" else "⚠️"
    target = escape_line(detail or "", _HOST_UNITS)
    http = f" ({target})" if target else ""
    return View(
        text=join_lines(
            [
                f"{icon} {t(language, f'admin.{status}', gateway=gateway, http=http, target=target)}",
                t(language, "admin.waiting", count=count) if count else None,
            ]
        )
    )
