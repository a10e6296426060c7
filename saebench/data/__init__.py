"""Texts: corpora with licence, revision and fingerprint, laid into rows of tokens that a language model reads."""

from saebench.data.packaged import DataSet
from saebench.data.packing import MASK_RULE, DataSpec, PackedRows, load_rows
from saebench.data.sources import DATA, source
from saebench.data.texts import Census, Document, TextSource

__all__ = [
    "DATA",
    "MASK_RULE",
    "Census",
    "DataSet",
    "DataSpec",
    "Document",
    "PackedRows",
    "TextSource",
    "load_rows",
    "source",
]
