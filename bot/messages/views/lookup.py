"""The question which provider knows an id."""

from bot.messages.callback_data import ChooseProvider
from bot.messages.keyboards import MOST_CHOICES, in_rows
from bot.messages.limits import cut, escape_line
from bot.messages.lines import PROVIDER_UNITS, shown_ids
from bot.messages.translate import t
from bot.messages.view import Button, View
from storage.lookups import Lookup, LookupState

_PER_ROW = 2


def lookup(asked: Lookup) -> View:
    """The question with a button for each provider; after it has ended, what came of it."""
    ids, count = shown_ids(asked.external_ids, asked.language), len(asked.external_ids)
    if asked.state is LookupState.ASKING:
        return View(text=t(asked.language, "lookup.which", ids=ids), buttons=_buttons(asked))
    if asked.answer is not None:
        name = f"<b>{escape_line(asked.answer, PROVIDER_UNITS)}</b>"
        return View(text=t(asked.language, "lookup.answered", count=count, ids=ids, name=name))
    return View(text=t(asked.language, "lookup.unanswered", count=count, ids=ids))


def _buttons(asked: Lookup) -> tuple[tuple[Button, ...], ...]:
    buttons = [
        Button(label=cut(name, PROVIDER_UNITS), action=ChooseProvider(lookup_id=asked.id, index=index).pack())
        for index, name in enumerate(asked.providers[:MOST_CHOICES])
    ]
    return in_rows(buttons, _PER_ROW)
