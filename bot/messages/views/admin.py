"""Notifications to the bot's admins."""

from bot.messages.limits import escape_line
from bot.messages.lines import HOST_UNITS, brackets, join_commas, join_lines
from bot.messages.translate import t
from bot.messages.view import View
from storage.outbox import AdminReport

_NAMES_UNITS = 200


def gateway_changed(report: AdminReport) -> View:
    """A gateway is down or has recovered."""
    language = report.language
    names = escape_line(join_commas(report.names, language), _NAMES_UNITS)
    gateway = f"<b>{escape_line(report.host, HOST_UNITS)}</b>{brackets(names, language)}"
    icon = "✅" if report.is_recovery else "⚠️"
    target = escape_line(report.detail or "", HOST_UNITS)
    http = brackets(target, language)
    return View(
        text=join_lines(
            [
                f"{icon} {t(language, f'admin.{report.status}', gateway=gateway, http=http, target=target)}",
                t(language, "admin.waiting", count=report.waiting) if report.waiting else None,
            ]
        )
    )
