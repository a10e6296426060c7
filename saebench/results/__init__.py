"""Results: their schema, identity and files, and what is read from them."""
