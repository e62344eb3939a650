"""Sums of counters over their labels."""

from bot.metrics import Metrics


def total(metrics: Metrics, name: str) -> int:
    """The sum of the samples of reelwatch_<name>_total; 0 if there are none."""
    return int(
        sum(
            sample.value
            for family in metrics.registry.collect()
            for sample in family.samples
            if sample.name == f"reelwatch_{name}_total"
        )
    )
