"""Task `reconstruction@1`: does a dictionary give back what the model needs at its site?"""
