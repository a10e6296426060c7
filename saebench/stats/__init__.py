"""Intervals, tests and ranks: arrays in, small dataclasses out. Knows nothing of what the numbers mean."""

from saebench.stats.bootstrap import Estimate, Ratio, RatioBootstrap, ratio_estimates
from saebench.stats.clusters import ClusterWeights, cluster_weights
from saebench.stats.jackknife import RatioJackknife, jackknife_difference, jackknife_p_values, ratio_jackknife
from saebench.stats.letters import compact_letters
from saebench.stats.multiplicity import holm
from saebench.stats.paired import Difference, paired_difference, paired_p_values, unpaired_difference
from saebench.stats.ranks import rank_intervals

__all__ = [
    "ClusterWeights",
    "Difference",
    "Estimate",
    "Ratio",
    "RatioBootstrap",
    "RatioJackknife",
    "cluster_weights",
    "compact_letters",
    "holm",
    "jackknife_difference",
    "jackknife_p_values",
    "paired_difference",
    "paired_p_values",
    "rank_intervals",
    "ratio_estimates",
    "ratio_jackknife",
    "unpaired_difference",
]
