"""Runs a task many times to measure its reliability."""
