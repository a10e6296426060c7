"""Synthetic worlds: activations x = sum_i a_i d_i + b whose features are known, by the contract of a language model.

A token is the number of a sample and the one site is `features`, so that everything that reads activations of a
language model reads a world unchanged. `presets.py` says what a world is, `firing.py` and `directions.py` make its
parts, `world.py` puts samples together, `model.py` and `tokenizer.py` make it a language model.
"""
