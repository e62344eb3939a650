"""Finds Chromium."""

from tests.programs import find

NO_BROWSER = "No test of the demo's page ran: there is no Chromium (apt-get install chromium)."
FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]  # root has no sandbox
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """The path of a browser; None: there is none."""
    return next(filter(None, map(find, _NAMES)), None)
