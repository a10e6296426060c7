"""Targeted probe perturbation."""
