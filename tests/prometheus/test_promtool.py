"""What promtool says of the metrics and of the alert rules."""

import subprocess

from storage.store import Store
from tests.programs import needs
from tests.prometheus.full_page import full_page
from tests.repo.tree import ROOT

pytestmark = needs("promtool")


def promtool(*arguments: str, page: str = "") -> str:
    """Run it with a page on its standard input; returns what it prints, and fails if it complains."""
    done = subprocess.run(
        ["promtool", *arguments],
        input=page,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_promtool_has_no_complaint_about_the_metrics(store: Store):
    assert promtool("check", "metrics", page=await full_page(store, ("veo", "wan"), ("sora",))) == ""


def test_the_alert_rules_are_valid():
    assert "SUCCESS" in promtool("check", "rules", "docs/alerts.yaml")


def test_each_alert_fires_when_it_should_and_not_before():
    assert "SUCCESS" in promtool("test", "rules", "tests/prometheus/alerts_test.yaml")
