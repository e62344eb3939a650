"""The queries of the dashboard and of the alert rules."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.repo.tree import text

_METRIC = re.compile(r"\b(?:reelwatch|process)_\w+")
_MATCHERS = re.compile(r"((?:reelwatch|process)_\w+)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)(=~|!=|=|!~)"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|on) \(([^)]*)\)")
TARGET_LABELS = {"job", "instance"}  # that Prometheus adds


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    found: dict[str, Any] = json.loads(text("docs/grafana-dashboard.json"))
    return found


def panels() -> list[dict[str, Any]]:
    """The panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def dashboard_queries(*, interval: str = "5m") -> Iterator[tuple[str, str, str]]:
    """The title of the panel, the query and the legend of each."""
    for panel in panels():
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", interval).replace("$instance", ".*")
            yield panel["title"], query, target["legendFormat"]


def alerts() -> dict[str, str]:
    """The text of each alert rule by its name."""
    _, *rules = text("docs/alerts.yaml").split("      - alert: ")
    return {rule.partition("\n")[0]: rule for rule in rules}


def alert_queries() -> Iterator[tuple[str, str]]:
    """The name and the expression of each alert rule."""
    for name, rule in alerts().items():
        yield name, rule.partition("        expr: ")[2].partition("        for: ")[0]


def metrics_in(query: str) -> set[str]:
    """The names of the metrics in a query."""
    return set(_METRIC.findall(query))


def matchers_in(query: str) -> Iterator[tuple[str, str, list[str]]]:
    """Metric, label and values of each condition, without those on the target."""
    for metric, inner in _MATCHERS.findall(query):
        for label, _, values in _MATCHER.findall(inner):
            if label not in TARGET_LABELS:
                yield metric, label, values.split("|")


def grouped_in(query: str) -> set[str]:
    """The labels that a query groups by or joins on."""
    lists = _GROUPED.findall(query)
    return {label.strip() for each in lists for label in each.split(",")} - TARGET_LABELS
