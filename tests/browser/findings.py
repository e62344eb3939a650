"""What axe-core finds."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def findings(page: Page) -> str:
    """What is wrong for those who can't see the page or use no mouse; empty: nothing."""
    found = Axe().run(page)
    return str(found.generate_report()) if found.violations_count else ""
