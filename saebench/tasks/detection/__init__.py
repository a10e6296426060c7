"""`detection@1`: does one direction, or one latent, tell that a concept is in a text?"""
