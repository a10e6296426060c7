"""Installs other implementations, each into a folder of its own, and lets them write what the parity tests compare.

Usage: python prepare.py FOLDER, in an environment that holds this package. A peer is installed without its
dependencies (they contradict ours, and most serve parts that are not compared); what it needs to be imported comes from
this environment and from the few extra packages named below. Its folder is on the path of its own process alone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = {
    "dictionary_learning": ("dictionary-learning==0.1.0",),
    "sparsify": ("eai-sparsify==1.3.3", "natsort==8.4.0", "schedulefree==1.4.1"),
    "sae_bench": ("sae-bench==0.6.0",),
    "token_means": ("sae-bench==0.6.0",),
    "absorption_2024": ("sae-bench==0.3.2",),
    "absorption_2026": ("sae-bench==0.6.0",),
    "sae_probes": ("sae-probes==0.4.2",),
}


def prepare(peer: str, packages: tuple[str, ...], root: Path) -> None:
    """Install a peer once, and run its script afresh."""
    installed = root / "installed" / peer
    done = installed / "complete"
    if not done.exists() or done.read_text() != " ".join(packages):
        shutil.rmtree(installed, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*install, "--target", str(installed), *packages], check=True)
        done.write_text(" ".join(packages))
    shutil.rmtree(root / peer, ignore_errors=True)
    script = Path(__file__).with_name(f"make_{peer}.py")
    path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "SPARSIFY_DISABLE_TRITON": "1"}
    subprocess.run([sys.executable, str(script), str(root / peer)], check=True, env=environment)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, wanted in PEERS.items():
        prepare(name, wanted, folder)
