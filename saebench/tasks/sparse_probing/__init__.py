"""`sparse_probing@1`: what a few latents say about labelled texts."""
