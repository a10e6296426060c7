"""Multiple-choice questions put to a language model whose activations at one site are edited."""
