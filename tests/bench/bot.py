"""python -m tests.bench.bot PACE: the real process, which polls every task at this interval in seconds."""

import asyncio
import os
import sys

import uvloop

import bot.__main__  # noqa: F401 - sets the garbage collector, as for the real process
from bot import app
from bot.config import load_settings
from bot.logs import set_up_logging
from bot.watching.cadence import Cadence


def main() -> None:
    """Run until SIGTERM, with the settings in the environment."""
    settings = load_settings(os.environ)
    set_up_logging(settings.log_level, settings.log_format, settings.secrets)
    # The price at which no poll is due earlier, and no more: computing the due time is part of the cost.
    prices_s = {config.name: 10.0 for config in settings.providers}
    cadence = Cadence(price_by_provider_s=prices_s, longest_s=float(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app.run(settings, cadence))


if __name__ == "__main__":
    main()
