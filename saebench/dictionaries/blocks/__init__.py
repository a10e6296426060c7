"""Building blocks of dictionaries: one module a slot, and the composition that puts them together."""
