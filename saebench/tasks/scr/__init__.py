"""Spurious correlation removal."""
