"""The question which provider knows an id."""

from collections.abc import Sequence

from bot.messages.callback_data import ChooseProvider
from bot.messages.keyboards import MOST_CHOICES, in_rows
from bot.messages.limits import cut, escape_line
from bot.messages.lines import PROVIDER_UNITS, shown_id
from bot.messages.translate import t
from bot.messages.view import Button, View
from storage.lookups import Lookup, LookupState

_IDS_UNITS = 400
_PER_ROW = 2


def lookup(asked: Lookup) -> View:
    """The question with a button for each provider; after it has ended, what came of it."""
    ids, count = _shown(asked.external_ids), len(asked.external_ids)
    if asked.state is LookupState.ASKING:
        return View(text=t(asked.language, "lookup.which", ids=ids), buttons=_buttons(asked))
    if asked.answer is not None:
        name = f"<b>{escape_line(asked.answer, PROVIDER_UNITS)}</b>"
        return View(text=t(asked.language, "lookup.answered", count=count, ids=ids, name=name))
    return View(text=t(asked.language, "lookup.unanswered", count=count, ids=ids))


def _shown(ids: Sequence[str]) -> str:
    return shown_id(ids[0]) if len(ids) == 1 else escape_line(", ".join(ids), _IDS_UNITS)


def _buttons(asked: Lookup) -> tuple[tuple[Button, ...], ...]:
    buttons = [
        Button(label=cut(name, PROVIDER_UNITS), action=ChooseProvider(lookup_id=asked.id, index=index).pack())
        for index, name in enumerate(asked.providers[:MOST_CHOICES])
    ]
    return in_rows(buttons, _PER_ROW)
