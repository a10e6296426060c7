"""Activations of a language model: made once, kept by content, read from mapped files.

`store.ActivationStore` hands out `sets.ActivationSet`; `batches.ActivationBatches` is what trainers iterate over.
`sets.ActivationSet.from_tensor` makes a set in memory.
"""
