"""By what they say: CKA of codes and of reconstructions on the same tokens."""

from __future__ import annotations

import numpy as np

from saebench.matching.cka import Cka, cka_without_each
from saebench.tasks.similarity.card import DOCUMENTS
from saebench.tasks.similarity.groups import Array, deal, group_table, pseudo_values
from saebench.tasks.similarity.outcome import Outcome
from saebench.tasks.similarity.reading import Reading, Tokens, seed_of


def compare_speech(reading: Reading, tokens: Tokens, eval_seed: int, outcome: Outcome) -> None:
    """CKA of all compared tokens, and without each group of documents."""
    groups = document_groups(tokens.documents[tokens.compared], eval_seed)
    codes = tuple(one[np.flatnonzero(tokens.compared)] for one in reading.codes)
    columns: dict[str, Array] = {}
    for name, (first, second) in (("codes", codes), ("reconstructions", reading.reconstructions)):
        whole, without = cka_without_each(first, second, groups)
        for form, metric in (("debiased", f"cka_{name}"), ("biased", f"cka_{name}_biased")):
            values = [value(one, form) for one in (whole, *without)]
            sound = [one for one in values if one is not None]
            if len(sound) < len(values):
                outcome.lack(f"the {name} of a dictionary do not vary enough over the tokens", metric)
            else:
                columns[metric] = pseudo_values(sound[0], sound[1:])
    if columns:
        outcome.tables[DOCUMENTS] = group_table(columns)
    outcome.details["document_groups"] = int(groups.max()) + 1


def document_groups(documents: Array, eval_seed: int) -> Array:
    """The group of each token: documents are dealt into groups."""
    _, member = np.unique(documents, return_inverse=True)
    dealt = deal(int(member.max()) + 1, seed_of("documents", eval_seed))
    return np.asarray(dealt[member])


def value(one: Cka, form: str) -> float | None:
    """One of the two forms."""
    return one.debiased if form == "debiased" else one.biased
