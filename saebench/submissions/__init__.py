"""Submissions: bundles of strangers' results, read as hostile data and held against what this installation knows."""
