"""Dictionaries of other libraries: reading their checkpoints, wrapping their objects, writing sae-lens's format."""

from saebench.dictionaries.foreign.export import to_sae_lens
from saebench.dictionaries.foreign.formats import FORMATS, detect, load_any, load_foreign
from saebench.dictionaries.foreign.hub import download
from saebench.dictionaries.foreign.objects import ObjectDictionary, adapt

__all__ = ["FORMATS", "ObjectDictionary", "adapt", "detect", "download", "load_any", "load_foreign", "to_sae_lens"]
