"""Explanations of latents, and what a judge can do with them."""
