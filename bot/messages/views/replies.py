"""Replies to commands that show no task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.messages.limits import TEXT_UNITS, escape_line, take_fitting
from bot.messages.lines import ID_UNITS, join_commas, join_dots, join_lines, shown_ids
from bot.messages.translate import t
from bot.messages.view import View
from bot.messages.views.access import example_command, id_shapes

_EXAMPLE_ID = "86ecf553-d340-4e21-af6e-a0c6a421c010"
_COMMANDS_TO_EXPLAIN = ("tasks", "history", "status", "unwatch", "settings", "providers")
_WORD_UNITS = 64
_WORDS_UNITS = 400
_FACT_UNITS = 120
_LEFT_OUT_UNITS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A provider as /providers shows it."""

    name: str
    kind: str
    host: str  # and the path of its own, if it has one
    also_typed: tuple[str, ...]  # other names that resolve to this provider


def help_text(example_ids: Mapping[str, str], *, language: str) -> View:
    """What the bot does, a working example, the shape of each provider's ids, and the commands."""
    if not example_ids:
        return View(text=join_lines([t(language, "help.what"), t(language, "wrong.nothing_configured")]))
    how = join_lines([t(language, "help.how"), example_command(example_ids), t(language, "help.several")])
    shapes = join_lines([t(language, "help.shapes"), *id_shapes(example_ids, language)])
    commands = join_lines(f"/{name} – {t(language, f'menu.{name}')}" for name in _COMMANDS_TO_EXPLAIN)
    return View(text="\n\n".join([t(language, "help.what"), how, shapes, commands]))


def first_admin(example_ids: Mapping[str, str], *, language: str) -> View:
    """The reply to the one-time code."""
    welcome = t(language, "access.first_admin")
    return View(text="\n\n".join([welcome, help_text(example_ids, language=language).text]))


def providers(configured: Sequence[Configured], *, language: str) -> View:
    """The configured providers and the names to type for them."""
    if not configured:
        return sentence("wrong.nothing_configured", language=language)
    return View(
        text=join_lines([t(language, "providers.title"), *(_provider(each, language) for each in configured)])
    )


def not_allowed(
    chat_id: int, *, outcome: Literal["asked", "unclaimed"] | None = None, is_private: bool, language: str
) -> View:
    """How a chat without access gets it; outcome: the admins were asked, or nobody has access yet."""
    kind = "private" if is_private else "group"
    name = f"{outcome}_{kind}" if outcome else kind
    return View(text=t(language, f"not_allowed.{name}", id=f"<code>{chat_id}</code>"))


def sentence(key: str, *, language: str) -> View:
    """A fixed text."""
    return View(text=t(language, key))


def with_example(key: str, names: Sequence[str], *, language: str) -> View:
    """A text with an example command, if a provider is configured."""
    if not names:
        return sentence("wrong.nothing_configured", language=language)
    return View(text=t(language, key, example=_example(names)))


def which_one(ids: Sequence[str], *, command: str, language: str) -> View:
    """A command without an id, while several tasks are watched."""
    shown = f"<code>/{command} {escape_line(ids[0], ID_UNITS)}</code>"
    return View(text=t(language, "tasks.which", number=len(ids), example=shown))


def stopped(ids: Sequence[str], *, language: str) -> View:
    """The reply to /unwatch."""
    return View(text=t(language, "unwatch.done", count=len(ids), ids=shown_ids(ids, language)))


def not_stopped(ids: Sequence[str], why: str, *, language: str) -> View:
    """The reply to /unwatch by somebody who may not; why: the key of the text that says who may."""
    return View(text=t(language, "unwatch.refused", ids=shown_ids(ids, language), why=t(language, why)))


def not_watched(ids: Sequence[str], *, language: str) -> View:
    """A command named ids that the chat does not watch."""
    return View(text=t(language, "wrong.not_watched", count=len(ids), ids=shown_ids(ids, language)))


def cut_off(count: int, *, language: str) -> View:
    """A text held parts of ids."""
    return View(text=t(language, "watch.cut_off", count=count))


def first_ids_only(most: int, *, language: str) -> View:
    """A message named more ids than allowed."""
    return View(text=t(language, "wrong.first_ids_only", most=most))


def first_commands_only(most: int, *, language: str) -> View:
    """A message contained more commands than allowed."""
    return View(text=t(language, "wrong.first_commands_only", most=most))


def left_out(paragraphs: Sequence[str], *, language: str) -> View:
    """A message contained further paragraphs, which were ignored."""
    return View(text=t(language, "wrong.left_out", text=escape_line(" … ".join(paragraphs), _LEFT_OUT_UNITS)))


def limit_reached(limit: int, *, refused: int, is_personal: bool, language: str) -> View:
    """Ids were refused because the chat or the user has reached its limit of watches."""
    key = "watch.limit_of_person" if is_personal else "watch.limit_of_chat"
    return View(text=t(language, key, count=refused, limit=limit))


def summary(parts: Sequence[View]) -> View:
    """Several replies as one message; the last ones are omitted if they don't fit."""
    return View(text=join_lines(take_fitting([part.text for part in parts], TEXT_UNITS)))


def bad_ids(words: Sequence[str], *, language: str) -> View:
    """Arguments that are not valid ids."""
    shown = escape_line(join_commas(words, language), _WORDS_UNITS)
    example = f"<code>{_EXAMPLE_ID}</code>"
    return View(text=t(language, "wrong.ids", count=len(words), ids=shown, example=example))


def unknown_provider(word: str, names: Sequence[str], *, language: str) -> View:
    """An argument that names no provider."""
    return _wrong_provider("wrong.unknown_provider", word, names, language=language)


def not_configured(kind: str, names: Sequence[str], *, language: str) -> View:
    """A wire format without a configured provider."""
    return _wrong_provider("wrong.not_configured", kind, names, language=language)


def several_fit(word: str, names: Sequence[str], *, language: str) -> View:
    """An argument that matches more than one provider."""
    return _wrong_provider("wrong.several_fit", word, names, language=language)


def _example(names: Sequence[str]) -> str:
    """A /watch command that is valid here and is copied on a tap."""
    return f"<code>/watch {escape_line(names[0], _WORD_UNITS)} {_EXAMPLE_ID}</code>"


def _wrong_provider(key: str, word: str, names: Sequence[str], *, language: str) -> View:
    if not names:
        return sentence("wrong.nothing_configured", language=language)
    shown = escape_line(join_commas(names, language), _WORDS_UNITS)
    return View(
        text=t(language, key, word=escape_line(word, _WORD_UNITS), names=shown, example=_example(names))
    )


def _provider(each: Configured, language: str) -> str:
    words = escape_line(join_commas(each.also_typed, language), _WORDS_UNITS)
    return join_dots(
        [
            f"<b>{escape_line(each.name, _WORD_UNITS)}</b>",
            each.kind if each.kind != each.name else None,
            f"<code>{escape_line(each.host, _FACT_UNITS)}</code>",
            t(language, "providers.also", words=words) if words else None,
        ]
    )
