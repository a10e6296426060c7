"""`similarity@1`: how alike two dictionaries are, by what they say, by their atoms and by their weights."""
