"""Messages about access: to the admins who decide, and to the chats that are allowed."""

from collections.abc import Mapping, Sequence

from bot.messages.callback_data import AnswerRequest, ChangeAccess, ChatsPage
from bot.messages.keyboards import in_rows, turning
from bot.messages.limits import NAME_UNITS, escape_line, one_line
from bot.messages.lines import PROVIDER_UNITS, join_dots, join_lines, labelled
from bot.messages.translate import t
from bot.messages.view import Button, View
from storage.access import AccessDecision, AccessEntry, AccessQuestion, AccessState, ChatProfile, Greeting

PAGE = 8  # chats
_EXAMPLES = 8  # help and greetings are on one screen
_LABEL_UNITS = 40
_ICONS = {AccessState.ALLOWED: "✅", AccessState.REQUESTED: "❓", AccessState.REFUSED: "🚫"}


def question(asked: AccessQuestion) -> View:
    """Asks an admin whether a chat may use the bot."""
    allow, refuse = (
        Button(
            label=f"{icon} {t(asked.language, key)}",
            action=AnswerRequest(request_id=asked.request_id, is_allowed=is_allowed).pack(),
        )
        for icon, key, is_allowed in (("✅", "access.allow", True), ("🚫", "access.refuse", False))
    )
    lines = [t(asked.language, "access.question"), _described(asked.chat, asked.language)]
    return View(text=join_lines(lines), buttons=((allow, refuse),))


def decided(decision: AccessDecision, *, language: str) -> View:
    """What became of a question."""
    admin = escape_line(decision.admin.name, NAME_UNITS) if decision.admin else ""
    outcome = t(language, f"access.by.{decision.state}", admin=admin)
    return View(text=join_lines([outcome, _described(decision.chat, language)]))


def greeting(greeting_: Greeting, example_ids: Mapping[str, str]) -> View:
    """Shows a chat what to type."""
    language = greeting_.language
    lead = t(language, "access.now_allowed" if greeting_.is_now_allowed else "access.greeting")
    if not example_ids:
        return View(text=join_lines([lead, t(language, "wrong.nothing_configured")]))
    return View(text=join_lines([lead, t(language, "help.how"), example_command(example_ids)]))


def example_command(example_ids: Mapping[str, str]) -> str:
    """A /watch command that could be typed here."""
    name, external_id = next(iter(example_ids.items()))
    return f"<code>/watch {escape_line(name, PROVIDER_UNITS)} {external_id}</code>"


def id_shapes(example_ids: Mapping[str, str], language: str) -> Sequence[str]:
    """A line per provider with an id of the shape that its ids have; the first ones only."""
    return [
        labelled(escape_line(name, PROVIDER_UNITS), f"<code>{external_id}</code>", language)
        for name, external_id in list(example_ids.items())[:_EXAMPLES]
    ]


def chats(entries: Sequence[AccessEntry], *, total: int, page: int, language: str) -> View:
    """A page of the reply to /chats; page: from 0."""
    if not entries:
        return View(text=t(language, "chats.none"))
    lines = [t(language, "chats.title", count=total)]
    lines += [_entry(each, language) for each in entries]
    rows = in_rows([_change(each, page, language) for each in entries if not each.is_in_settings], 1)
    pages = -(-total // PAGE)
    turns = turning(page, pages, lambda number: ChatsPage(page=number))
    return View(text=join_lines(lines), buttons=(*rows, *turns))


def _entry(entry: AccessEntry, language: str) -> str:
    kind = t(language, f"access.kind.{entry.chat_type}") if entry.chat_type else None
    title = escape_line(entry.title, NAME_UNITS)
    state = "chats.in_settings" if entry.is_in_settings else f"chats.{entry.state}"
    parts = [title, kind, f"<code>{entry.chat_id}</code>", t(language, state)]
    return f"{_ICONS[entry.state]} {join_dots(parts)}"


def _change(entry: AccessEntry, page: int, language: str) -> Button:
    is_allowed = entry.state is AccessState.ALLOWED
    what = t(language, "access.remove" if is_allowed else "access.allow")
    label = labelled(what, entry.title or str(entry.chat_id), language)
    action = ChangeAccess(chat_id=entry.chat_id, is_allowed=not is_allowed, page=page)
    return Button(label=one_line(label, _LABEL_UNITS), action=action.pack())


def _described(chat: ChatProfile, language: str) -> str:
    title = escape_line(chat.title, NAME_UNITS)
    user = escape_line(chat.user_name or "", NAME_UNITS)
    return join_lines(
        [
            join_dots(
                [
                    f"<b>{title}</b>" if title else None,
                    t(language, f"access.kind.{chat.chat_type}"),
                    f"<code>{chat.chat_id}</code>",
                ]
            ),
            t(language, "access.asked_by", user=user) if user else None,
        ]
    )
