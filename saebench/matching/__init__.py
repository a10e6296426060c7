"""Which row of one matrix is which row of another: cosines, assignment, nulls. Arrays in, small dataclasses out."""

from __future__ import annotations

from saebench.matching.assignment import Assignment, assign
from saebench.matching.correlations import Correlations, correlate, paired_correlations
from saebench.matching.cosines import UnitRows, strongest, unit_rows
from saebench.matching.mcc import Mcc, mcc, mcc_of
from saebench.matching.nearest import Mutual, mutual_nearest, nearest
from saebench.matching.nulls import Null, calibrated, random_null
from saebench.matching.shared import SharedFeatures, shared_features

__all__ = [
    "Assignment",
    "Correlations",
    "Mcc",
    "Mutual",
    "Null",
    "SharedFeatures",
    "UnitRows",
    "assign",
    "calibrated",
    "correlate",
    "mcc",
    "mcc_of",
    "mutual_nearest",
    "nearest",
    "paired_correlations",
    "random_null",
    "shared_features",
    "strongest",
    "unit_rows",
]
