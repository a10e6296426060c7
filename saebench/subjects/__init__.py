"""From what a user writes to what is scored: subject specifications, resolved to identity first.

A subject's fingerprint is known before anything is fitted: a dictionary on disk is fingerprinted by its tensors,
a fitted baseline or control by its recipe and the data it is fitted on.
"""

from saebench.subjects.groups import members_of
from saebench.subjects.makers import BASELINES, CONTROLS, Maker
from saebench.subjects.resolving import resolve, site_of
from saebench.subjects.scored import ConceptSubject, DictionarySubject, GroupSubject, ScoredSubject, distinct
from saebench.subjects.spec import FORMATS, GROUPS, PREFIXES, Spec, kind_of, parse
from saebench.subjects.stage import Stage
from saebench.subjects.stored import load_dictionary, of_object, require_site

__all__ = [
    "BASELINES",
    "CONTROLS",
    "FORMATS",
    "GROUPS",
    "PREFIXES",
    "ConceptSubject",
    "DictionarySubject",
    "GroupSubject",
    "Maker",
    "ScoredSubject",
    "Spec",
    "Stage",
    "distinct",
    "kind_of",
    "load_dictionary",
    "members_of",
    "of_object",
    "parse",
    "require_site",
    "resolve",
    "site_of",
]
