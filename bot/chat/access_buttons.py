"""The buttons with which admins decide who may use the bot; only in their private chats."""

from telegram import User
from telegram.constants import ChatType

from bot.chat.context import Context
from bot.chat.parsing import TypedCommand
from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.messages.callback_data import AnswerRequest, ChangeAccess, ChatsPage
from bot.messages.keyboards import bounded_page
from bot.messages.limits import name_of
from bot.messages.view import View
from bot.messages.views import access as views
from bot.messages.views import replies
from bot.watching.access_requests import AccessRequests
from storage.access import Admin


async def chats(context: Context, _: TypedCommand) -> None:
    """/chats, for admins: who is allowed, waiting or refused."""
    language = await context.language()
    if context.message.chat.type != ChatType.PRIVATE:
        context.reply(replies.sentence("chats.private_only", language=language))
        return
    context.reply(await _page(context.deps.requests, 0, language))


async def answer_request(press: Press, data: AnswerRequest) -> Bubble:
    """Allow or refuse a chat; if it is decided already, say by whom."""
    if not press.deps.access.is_admin(press.user_id):
        return press.bubble("access.admins_only", is_alert=True)
    admin = admin_of(press.query.from_user)
    decision = await press.deps.requests.answer(data.request_id, admin, is_allowed=data.is_allowed)
    if decision is None:
        return press.bubble("button.stale")
    press.edit(views.decided(decision, language=await press.context.language()))
    if decision.is_new:
        return press.bubble(f"access.done.{decision.state}")
    return press.bubble(f"access.already.{decision.state}")


async def turn(press: Press, data: ChatsPage) -> Bubble:
    """Turn to another page of /chats."""
    if not press.deps.access.is_admin(press.user_id):
        return press.bubble("access.admins_only", is_alert=True)
    press.edit(await _page(press.deps.requests, data.page, await press.context.language()))
    return Bubble()


async def change_access(press: Press, data: ChangeAccess) -> Bubble:
    """Allow or remove a chat in /chats, and show the page as it is now."""
    if not press.deps.access.is_admin(press.user_id):
        return press.bubble("access.admins_only", is_alert=True)
    requests, admin = press.deps.requests, admin_of(press.query.from_user)
    change = requests.allow if data.is_allowed else requests.remove
    is_changed = await change(data.chat_id, admin)
    press.edit(await _page(requests, data.page, await press.context.language()))
    if not is_changed:
        return press.bubble("chats.unchanged")
    return press.bubble("access.done.allowed" if data.is_allowed else "access.done.removed")


def admin_of(user: User) -> Admin:
    """The admin who acts."""
    return Admin(id=user.id, name=name_of(user.full_name))


async def _page(requests: AccessRequests, number: int, language: str) -> View:
    """The page, or the last one before it that has entries."""
    number = bounded_page(number)
    entries, total = await requests.page(number, views.PAGE)
    if not entries and number:
        _, total = await requests.page(0, views.PAGE)
        number = max(0, (total - 1) // views.PAGE)
        entries, total = await requests.page(number, views.PAGE)
    return views.chats(entries, total=total, page=number, language=language)


HANDLERS: tuple[AnyButtonHandler, ...] = (
    ButtonHandler(data=AnswerRequest, handle=answer_request, writes=True),
    ButtonHandler(data=ChatsPage, handle=turn),
    ButtonHandler(data=ChangeAccess, handle=change_access, writes=True),
)
