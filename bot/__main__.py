"""python -m bot."""

import os
import signal

# Until the command line handles signals there is no work to finish. Not by an exception: it could be caught.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from bot.cli import main  # noqa: E402 - the import takes a second on a slow machine

if __name__ == "__main__":
    main()
