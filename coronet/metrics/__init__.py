"""Scores of generators: one metric, one file. METRICS names those that compare image by image."""

from coronet.metrics.base import Metric
from coronet.metrics.paired import PAIRED_METRICS

__all__ = ["METRICS", "Metric"]

METRICS: dict[str, type[Metric]] = dict(PAIRED_METRICS)
