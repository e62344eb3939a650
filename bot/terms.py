"""The terms of this process: it stands by, leads, and stands by again after a loss, until it is stopped.

Of the processes that share a database one leads (storage/leadership.py). A term that is lost ends without any
further call to the outside, as another process may lead already. With SQLite there is one term, never lost.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from bot.log_lines import spelled
from bot.logs import log_fields
from bot.telemetry import STANDING_BY, Telemetry
from storage.errors import LeadershipLost, StoreUnavailable
from storage.leadership import Leadership, Term

log = logging.getLogger(__name__)

LOSS_S = 5.0  # a lost term that has not ended by then ends the process
EXIT_AFTER_LOSS = os.EX_TEMPFAIL  # 75: start it again
_CHECK_S = 0.5  # between two checks of the term by the thread that ends the process
_QUIET_S = 1.0  # standing by that ends sooner is not logged
_PAUSE_S = 1.0  # after a term
_BEAT_S = 20.0  # between two heartbeats of a process that leads, but has not migrated yet


class Terms:
    """Stands by and leads in turns."""

    def __init__(
        self,
        leadership: Leadership,
        telemetry: Telemetry,
        *,
        loss_s: float = LOSS_S,
        quiet_s: float = _QUIET_S,
        pause_s: float = _PAUSE_S,
        exit_process: Callable[[int], object] = os._exit,
    ) -> None:
        """loss_s: how long the end of a lost term may take; then a thread calls exit_process."""
        self._leadership = leadership
        self._telemetry = telemetry
        self._loss_s = loss_s
        self._quiet_s = quiet_s
        self._pause_s = pause_s
        self._exit_process = exit_process
        self._away_at = 0.0  # when the database went away

    async def run(self, lead: Callable[[Term], Awaitable[None]], stop: asyncio.Event) -> None:
        """Stand by and lead until the stop; raises what ends the process.

        lead: runs a term until the stop; cancelled when the term is lost, and may raise that it is.
        """
        term = Term(self._leadership)
        if not term.is_shared:
            await lead(term)
            return
        try:
            while await self._acquire(stop):
                await self._lead(lead, term)
                if stop.is_set():
                    return
                term = Term(self._leadership)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s):
                        await stop.wait()
        finally:
            await self._leadership.resign()

    async def _acquire(self, stop: asyncio.Event) -> bool:
        """Wait until this process leads; False: it is to stop."""
        stopping = asyncio.ensure_future(stop.wait())
        beat = partial(self._telemetry.beat, STANDING_BY)
        acquiring = asyncio.ensure_future(self._leadership.acquire(self._report_outage, beat))
        both = {stopping, acquiring}
        try:
            done, _ = await asyncio.wait(both, timeout=self._quiet_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                await self._log_standby()
            while not done:
                done, _ = await asyncio.wait(both, timeout=_BEAT_S, return_when=asyncio.FIRST_COMPLETED)
                if self._leadership.is_held:  # a migration may take long
                    beat()
            if stopping.done():
                return False
            acquiring.result()
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self._telemetry.end(STANDING_BY)
        epoch, before = self._leadership.epoch, self._leadership.took_over_from
        log.info(
            "This process leads now (epoch %s)%s.",
            epoch,
            f", as the lease of {before} ran out" if before else "",
            extra=log_fields(None, "term_began", epoch=epoch, replica=before or ""),
        )
        return True

    async def _lead(self, lead: Callable[[Term], Awaitable[None]], term: Term) -> None:
        """Run a term; its loss is logged, and is no error of the process."""
        with self._ended_in_time(term):
            try:
                async with asyncio.TaskGroup() as group:
                    holding = group.create_task(self._leadership.hold())
                    await lead(term)
                    holding.cancel()
            except ExceptionGroup as errors:
                losses, others = errors.split((LeadershipLost, StoreUnavailable))
                term.end()
                if others is not None:
                    raise others.exceptions[0] if len(others.exceptions) == 1 else others from None
                why: Exception = losses or errors
                while isinstance(why, ExceptionGroup):
                    why = why.exceptions[0]
                log.warning(
                    "The leadership is lost, so all work of this process ends: %s",
                    why,
                    extra=log_fields(None, "term_lost", epoch=self._leadership.epoch, cause=str(why)),
                )
            finally:
                self._telemetry.forget()

    @contextmanager
    def _ended_in_time(self, term: Term) -> Iterator[None]:
        """End the process if the block goes on for too long after the loss of the term.

        In a thread, as the event loop may hang; it would then not even notice the loss.
        """
        ended = threading.Event()

        def watch() -> None:
            lost_at = None
            while not ended.wait(_CHECK_S):
                lost_at = None if term.is_on else lost_at or time.monotonic()
                if lost_at is not None and time.monotonic() - lost_at >= self._loss_s:
                    log.critical(
                        "The work of a lost term has not ended after %s, so the process ends.",
                        spelled(self._loss_s),
                        extra=log_fields(None, "term_hangs", after_s=self._loss_s),
                    )
                    for handler in logging.getLogger().handlers:
                        handler.flush()
                    self._exit_process(EXIT_AFTER_LOSS)
                    return

        threading.Thread(target=watch, name="term", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    async def _log_standby(self) -> None:
        leader = next((each.name for each in self._leadership.replicas() if each.is_leader), "")
        log.info(
            "Standing by: %s.",
            f"{leader} leads" if leader else "no process leads at present",
            extra=log_fields(None, "standing_by", replica=leader),
        )

    def _report_outage(self, outage: str | None) -> None:
        """Log that the database is away, or back; for a process that stands by."""
        now = asyncio.get_running_loop().time()
        self._telemetry.set_problem("database", outage)
        if outage is not None:
            self._away_at = now
            log.warning(
                "The database is away; trying again: %s",
                outage,
                extra=log_fields(None, "database_away", cause=outage),
            )
            return
        after_s = now - self._away_at
        log.info(
            "The database is back after %s.",
            spelled(after_s),
            extra=log_fields(None, "database_back", after_s=round(after_s, 1)),
        )
