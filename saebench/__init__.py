"""saebench: is one sparse autoencoder better than another, and does either beat a plain baseline?

Names are loaded on first use, so that `import saebench` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saebench import registry
    from saebench.api import compare, evaluate, fit, load, save
    from saebench.results.frame import Results
    from saebench.training import train

__all__ = ["Results", "compare", "evaluate", "fit", "load", "registry", "save", "train"]

_HOMES = {
    "Results": "saebench.results.frame",
    "compare": "saebench.api",
    "evaluate": "saebench.api",
    "fit": "saebench.api",
    "load": "saebench.api",
    "save": "saebench.api",
    "train": "saebench.training",
}


def __getattr__(name: str) -> Any:
    if name == "registry":
        return import_module("saebench.registry")
    if name not in _HOMES:
        raise AttributeError(f"module 'saebench' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
