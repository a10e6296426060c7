"""`steering@1`: does a direction make the model write about a concept, and what else does it do to the text."""
