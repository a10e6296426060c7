"""Unlearning a topic: what can be taken out of a model at a site, and what goes with it."""
