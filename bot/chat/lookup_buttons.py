"""The buttons of the question which provider knows an id."""

from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.messages.callback_data import ChooseProvider
from storage.errors import WatchLimitReached
from storage.lookups import LookupState


async def choose(press: Press, data: ChooseProvider) -> Bubble:
    """Watch the ids of the question with the chosen provider: by who asked, or an admin."""
    service = press.deps.service
    asked = await service.lookup(data.lookup_id, press.chat_id)
    if asked is None or asked.state is not LookupState.ASKING or not 0 <= data.index < len(asked.providers):
        return press.bubble("lookup.over")
    if asked.user_id != press.user_id and (refused := await press.refused("lookup.not_yours")):
        return refused
    name = asked.providers[data.index]
    try:
        is_watched = await service.answer_lookup(asked.id, press.chat_id, name)
    except WatchLimitReached as error:
        key = "watch.limit_of_person" if error.is_personal else "watch.limit_of_chat"
        count = len(asked.external_ids)
        return press.bubble(key, is_alert=True, count=count, limit=error.limit)
    return press.bubble("lookup.chosen", name=name) if is_watched else press.bubble("lookup.over")


HANDLERS: tuple[AnyButtonHandler, ...] = (ButtonHandler(data=ChooseProvider, handle=choose, writes=True),)
