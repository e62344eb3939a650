"""The dashboard, the alert rules and the pages about metrics name what the bot exports."""

import re
from collections import Counter
from itertools import chain

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import NOT_CONFIGURED, CallOutcome, DeliveryOutcome, PollOutcome
from bot.watching.gateway_state import GatewayStatus
from storage.models import Cause, DeliveryKind, DeliveryState, TaskStatus
from storage.outbox import DeliveryPriority
from storage.store import Store
from storage.watches import WatchState
from tests.prometheus import queries
from tests.prometheus.full_page import LOOPS, full_page
from tests.repo.tree import text

ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@pytest.fixture
async def page(store: Store) -> str:
    return await full_page(store, ("veo", "wan"), ("sora",))


def name_of(family: Metric) -> str:
    """The name as in queries."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def labels_of(family: Metric) -> set[str]:
    return {label for sample in family.samples for label in sample.labels}


@pytest.fixture
def families(page: str) -> dict[str, Metric]:
    return {name_of(each): each for each in text_string_to_metric_families(page)}


@pytest.mark.parametrize("table", ["docs/metrics.md", "docs/zh/metrics.md"])
def test_the_table_lists_every_metric_with_its_type_and_labels(table: str, families: dict[str, Metric]):
    rows = ROW.findall(text(table))

    assert Counter(name for name, *_ in rows) == Counter(families.keys())
    for name, kind, labels, meaning, bad in rows:
        assert kind == families[name].type, name
        assert set(re.findall(r"`(\w+)`", labels)) == labels_of(families[name]) - {"le"}, name
        assert meaning.strip(), name
        assert bad.strip(), name


@pytest.mark.parametrize("table", ["docs/metrics.md", "docs/zh/metrics.md"])
def test_the_page_explains_every_value_of_a_label(table: str, families: dict[str, Metric]):
    values = {*LOOPS, NOT_CONFIGURED, *(cause for cause in Cause if not cause.is_task_failure)}
    for each in (PollOutcome, DeliveryOutcome, CallOutcome, GatewayStatus, TaskStatus, WatchState):
        values |= {str(value) for value in each}
    values |= {*map(str, DeliveryState), *map(str, DeliveryKind), *(p.name.lower() for p in DeliveryPriority)}
    for name in ("reelwatch_component_up", "reelwatch_downloads_total", "reelwatch_disk_free_bytes"):
        values |= {value for sample in families[name].samples for value in sample.labels.values()}

    assert [value for value in values if f"`{value}`" not in text(table)] == []


def test_every_metric_of_ours_keeps_to_the_conventions_of_prometheus(page: str):
    for family in text_string_to_metric_families(page):
        if family.name.startswith("process_"):
            continue
        assert re.fullmatch(r"reelwatch_[a-z_]+", family.name)
        assert family.documentation.endswith("."), family.name
        assert family.type in {"counter", "gauge", "histogram"}
        assert family.type != "histogram" or family.name.endswith("_seconds")
        assert not re.search(r"_(created|milliseconds|minutes|count|sum|bucket)$", family.name)
        is_total = f"# TYPE {family.name}_total counter" in page
        assert is_total == (family.type == "counter")


async def test_the_number_of_series_is_bounded_by_the_number_of_providers(store: Store):
    names = [f"provider{number}" for number in range(20)]
    page = await full_page(store, *((name,) for name in names))

    samples = [each for family in text_string_to_metric_families(page) for each in family.samples]
    of_providers = [
        each for each in samples if {each.labels.get("provider"), each.labels.get("key_group")} & {*names}
    ]

    assert len(of_providers) / 20 <= 75
    assert len(samples) - len(of_providers) <= 200


QUERIES = [
    *((title, query, legend) for title, query, legend in queries.dashboard_queries()),
    *((name, query, "") for name, query in queries.alert_queries()),
]


@pytest.mark.parametrize(("title", "query", "legend"), QUERIES, ids=[title for title, *_ in QUERIES])
def test_a_query_names_metrics_labels_and_values_that_exist(
    title: str, query: str, legend: str, families: dict[str, Metric]
):
    known = dict(families)
    for name, family in families.items():
        if family.type == "histogram":
            known |= {f"{name}{suffix}": family for suffix in ("_bucket", "_sum", "_count")}
    named = queries.metrics_in(query)
    assert named or "up{" in query  # Prometheus' own metric
    assert named <= known.keys()

    labels = set(chain.from_iterable(labels_of(known[name]) for name in named))
    assert queries.grouped_in(query) <= labels
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= labels
    for name, label, values in queries.matchers_in(query):
        exported = {sample.labels.get(label) for sample in known[name].samples}
        assert set(values) <= exported, (name, label)


def test_every_metric_of_ours_is_in_the_dashboard(families: dict[str, Metric]):
    shown = set(chain.from_iterable(queries.metrics_in(query) for _, query, _ in queries.dashboard_queries()))
    names = {re.sub(r"(_seconds)_(bucket|count)$", r"\1", name) for name in shown}

    assert {name for name in families if name.startswith("reelwatch_")} <= names


def test_every_panel_says_what_it_shows_in_which_unit_and_where():
    found = queries.dashboard()
    ids = [panel["id"] for panel in found["panels"]]
    cells = Counter(
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in found["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    )

    assert len(ids) == len(set(ids))
    assert max(cells.values()) == 1
    assert max(x for x, _ in cells) == 23
    assert [panel["title"] for panel in found["panels"] if panel["type"] == "row"] == [
        "Is all well?",
        "Videos in time",
        "Gateways",
        "Telegram",
        "Resources",
    ]
    for panel in queries.panels():
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("name", queries.alerts())
def test_an_alert_says_what_is_wrong_and_what_to_do_and_has_a_unit_test(name: str):
    rule = queries.alerts()[name]

    for field in ("expr", "for", "severity", "summary", "description"):
        assert re.search(rf"^ +{field}: \S", rule, re.MULTILINE), field
    assert re.search(r"severity: (critical|warning|info)\n", rule)
    assert len(rule.partition("description:")[2].split()) > 15
    assert f'alertname="{name}"' in text("tests/prometheus/alerts_test.yaml")
