"""Texts as means over their unmasked tokens: of activations and of codes, probes on them, and latents taken out."""
