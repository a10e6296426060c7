"""What a model can still do when a site is replaced by a dictionary's reconstruction."""
