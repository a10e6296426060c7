"""Task `absorption@1`: does the latent of a first letter fire on all words that begin with it?"""
