"""python -m tests.bench.baseline_bare: the least that a bot of python-telegram-bot does at its start."""

import asyncio
import json
import sys

from telegram.ext import Application


async def main() -> None:
    """Build an application, call getMe, and wait to be killed."""
    order = json.load(sys.stdin)
    application = Application.builder().token("4242:bench").base_url(f"{order['telegram']}/bot").build()
    await application.initialize()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
