"""python -m bot."""

import gc
import os
import signal

# The modules' objects stay, and a poll's die with it: a collection every 700 allocations would take time,
# of the start as of the polls. Before the import, which makes most of them.
gc.set_threshold(20_000, 20, 20)
# Until the command line handles signals there is no work to finish. Not by an exception: it could be caught.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from bot.cli import main  # noqa: E402 - the import takes a second on a slow machine

if __name__ == "__main__":
    main()
