"""Requests for access: the admins are asked, decide, and see what was decided."""

import logging
from collections.abc import Callable
from datetime import datetime

from bot.logs import log_fields
from bot.messages.translate import pick_language
from bot.watching.access import Access
from storage.access import (
    AccessDecision,
    AccessEntry,
    AccessState,
    Admin,
    ChatProfile,
    Greeting,
    RequestOutcome,
)
from storage.store import Store

log = logging.getLogger(__name__)


class AccessRequests:
    """Changes the store first, then the ids that updates are checked against; each decision is logged."""

    def __init__(
        self,
        store: Store,
        access: Access,
        *,
        language: str,
        clock: Callable[[], datetime],
        notify: Callable[[], None],
    ) -> None:
        """language: the LANGUAGE setting; notify: wakes the loops after a change."""
        self._store = store
        self._access = access
        self._language = language
        self._clock = clock
        self._notify = notify

    async def ask(self, chat: ChatProfile, user_id: int | None) -> RequestOutcome:
        """Ask the admins whether a chat may use the bot; user_id: who asks."""
        admins = {}
        for admin_id in sorted(self._access.admin_ids):
            known = await self._store.chat(admin_id)
            admins[admin_id] = pick_language(self._language, None, known.language if known else None)
        outcome = await self._store.request_access(chat, admins, at=self._clock())
        if outcome is RequestOutcome.ASKED:
            log.info(
                "Chat %d (%s) asks for access, by user %s; the admins were asked",
                chat.chat_id,
                chat.chat_type,
                user_id,
                extra=log_fields(None, "access_requested", chat_id=chat.chat_id, user_id=user_id),
            )
            self._notify()
        return outcome

    async def answer(self, request_id: int, admin: Admin, *, is_allowed: bool) -> AccessDecision | None:
        """Decide a request; one that is decided is returned as it is. None: there is no such request."""
        decision = await self._store.decide_request(
            request_id, admin, is_allowed=is_allowed, at=self._clock()
        )
        if decision is not None and decision.is_new:
            self._apply(decision, admin)
        return decision

    async def allow(self, chat_id: int, admin: Admin) -> bool:
        """Allow a chat that asked or was refused; False for any other."""
        decision = await self._store.allow_chat(chat_id, admin, at=self._clock())
        if decision is not None:
            self._apply(decision, admin)
        return decision is not None

    async def remove(self, chat_id: int, admin: Admin) -> bool:
        """Take the access from a chat that an admin allowed, and stop its watches; False for any other."""
        if not await self._store.remove_chat(chat_id, admin, at=self._clock()):
            return False
        _log(AccessState.REMOVED, chat_id, admin)
        await self._access.remove(chat_id)
        self._notify()
        return True

    async def page(self, number: int, size: int) -> tuple[list[AccessEntry], int]:
        """A page of the chats that are allowed, waiting or refused, and the number of all."""
        return await self._store.access_entries(offset=number * size, limit=size)

    async def greet(self, chat_id: int, *, language: str, added_at: datetime) -> None:
        """Show an allowed chat what to type, once for each time that it adds the bot."""
        occasion = f"added {added_at.timestamp():.0f}"
        greeting = Greeting(is_now_allowed=False, language=language)
        await self._store.greet(chat_id, greeting, occasion=occasion, at=self._clock())
        self._notify()

    def _apply(self, decision: AccessDecision, admin: Admin) -> None:
        if decision.state is AccessState.ALLOWED:
            self._access.allow(decision.chat.chat_id)
        else:
            self._access.refuse(decision.chat.chat_id)
        _log(decision.state, decision.chat.chat_id, admin)
        self._notify()


def _log(state: AccessState, chat_id: int, admin: Admin) -> None:
    log.info(
        "Chat %d was %s by admin %d",
        chat_id,
        state,
        admin.id,
        extra=log_fields(None, "access_changed", chat_id=chat_id, user_id=admin.id, status=state),
    )
