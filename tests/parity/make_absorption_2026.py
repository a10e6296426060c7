"""The absorption of given words by sae-bench 0.6.0.

Usage: python make_absorption_2026.py FOLDER (with sae_bench importable).
"""

import sys
from pathlib import Path

from absorption_peer import judge

if __name__ == "__main__":
    judge(Path(sys.argv[1]))
