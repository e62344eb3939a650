"""Whether the browser has the fonts of the pictures, which show boxes without them."""

from playwright.sync_api import Browser

_NEEDED = {"Chinese": "文", "emoji": "🎬"}
_NOWHERE = "\U0010fffd"  # a private character, which no font has


def without_a_glyph(browser: Browser) -> list[str]:
    """What can't be shown."""
    page = browser.new_page()
    nothing = page.evaluate(_DRAW, _NOWHERE)
    missing = [name for name, letter in _NEEDED.items() if page.evaluate(_DRAW, letter) == nothing]
    page.close()
    return missing


_DRAW = """(letter) => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    context.font = "40px sans-serif";
    context.fillText(letter, 10, 60);
    return canvas.toDataURL();
}"""
