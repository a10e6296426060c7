"""The made-up results of tests/report and the made-up bundle of tests/submissions."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("report", "submissions")]
