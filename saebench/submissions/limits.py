"""How large anything in a bundle may be. Each is checked before what it bounds is parsed.

They leave room for dictionaries of 131,072 latents and for suites of hundreds of units, and keep what a stranger can
make a verifier do within minutes and a few hundred megabytes.
"""

from __future__ import annotations

MEBIBYTE = 2**20

ARCHIVE_BYTES = 48 * MEBIBYTE
"""A .zip or .tar.gz as it lies on disk."""
FILE_BYTES = 32 * MEBIBYTE
"""One file, unpacked."""
BUNDLE_BYTES = 128 * MEBIBYTE
"""All files, unpacked."""
RESULT_BYTES = 8 * MEBIBYTE
"""One result without its items."""
RESULTS_BYTES = 32 * MEBIBYTE
"""All results of a bundle without their items: parsed, they take some twenty times as much memory."""
FILES = 2_000
RATIO = 250
"""Unpacked bytes of a file for each packed one, in a file of more than a mebibyte: plain scores stay below 100."""

YAML_BYTES = 64 * 1024
YAML_DEPTH = 12
JSON_DEPTH = 24
LINE_BYTES = 64 * 1024
"""One line of per-item scores."""
LINE_DEPTH = 4
ROWS = 300_000
"""Items of one result."""
TABLES = 50
COLUMNS = 1_000
"""Score columns of one table."""
SEEDS = 100
"""Clusters of a table of pairs, which are left out one by one."""

TEXT = 20_000
"""Characters of any text."""
NAME = 300
"""Characters of a name."""
LONG_LINE = 2_000
"""Characters of a specification, which may name the members of a set, or of a reason."""
ITEM = 600
"""Characters of the id of an item or a cluster."""
DIGITS = 40
"""Characters of a number as it is written."""
LARGEST = 1e18
"""Absolute value of any number; below 2^63, so that whole numbers fit everywhere."""
SMALLEST = 1e-100
"""Absolute value of a score that is not zero: below, sums of squares would vanish."""

RELATIVE = 1e-6
"""Part by which a recomputed aggregate may differ from the stated one: order of summation on another machine."""
ABSOLUTE = 1e-9
"""The same, for values near zero."""
REPRODUCED = 1e-5
"""Relative difference within which two runs of one unit agree."""
