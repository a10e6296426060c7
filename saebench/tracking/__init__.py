"""Trackers: observers of results. A tracker can be lost and filled again."""
