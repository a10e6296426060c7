"""Dictionaries that need no gradient: controls whose place is known beforehand, and closed-form baselines."""
