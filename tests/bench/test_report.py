"""The benchmark's report of missing measurements."""

from tests.bench.cost import Results
from tests.bench.gateway import Gateway
from tests.bench.measurements import Contestant, Cost, Idle, Load
from tests.bench.report import report


def test_a_lateness_without_a_measurement_is_not_0():
    late_s = Gateway().apply_order({"do": "polls"})["late_s"]
    load = Load(tasks=10_000, pace_s=10, window_s=24)
    cost = Cost(who=Contestant.OURS, load=load, polls=24_000, span_s=24, cpu_s=12, late_s=late_s)

    lines = report(Results(fleets=[cost]), "").splitlines()

    assert "| ours | 10,000 | 1000 | 50% | 0 MB | – | – | – | 0.0 |" in lines
    assert "| … lateness p99 | ≤ 350 ms | – | **missed** |" in lines


def test_idle_replicas_are_judged_together_with_their_server():
    idle = Idle(replicas=3, span_s=10, bots_cpu_s=0.15, server_cpu_s=0.1, transactions=90, rss_mb=60)

    lines = report(Results(idle=idle), "").splitlines()

    assert "| 3 idle replicas and their server, of one core | ≤ 2 % | 2.5% | **missed** |" in lines
    assert "| … transactions a second | ≤ 10 | 9.0 | reached |" in lines
