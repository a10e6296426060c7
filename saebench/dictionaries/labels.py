"""Labels of atoms that are activations themselves (ITDA): which token of which document each of them is.

They say where an atom comes from and change neither `encode` nor `decode`, so that they are provenance, not identity:
`provenance.extra["atom_labels"]` is a list with `[content hash of a document, place of the token in it]` for each atom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from saebench.dictionaries.contract import Dictionary, Provenance
from saebench.errors import CheckpointError

KEY = "atom_labels"


def with_atom_labels(provenance: Provenance, labels: Sequence[tuple[str, int]]) -> Provenance:
    """The provenance of a dictionary whose atom i is the activation of token `labels[i]`."""
    return replace(provenance, extra={**provenance.extra, KEY: [[document, token] for document, token in labels]})


def atom_labels(dictionary: Dictionary) -> tuple[tuple[str, int], ...] | None:
    """The label of each atom, or None where the dictionary has none.

    Raises:
        CheckpointError: there are labels, and not one for each atom.
    """
    labels = dictionary.provenance.extra.get(KEY)
    if labels is None:
        return None
    try:
        made = tuple((str(document), int(token)) for document, token in labels)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            "labels of atoms are pairs of a document and a token", field=f"provenance.extra.{KEY}"
        ) from error
    if len(made) != dictionary.d_dict:
        raise CheckpointError(f"{len(made)} labels for {dictionary.d_dict} atoms", field=f"provenance.extra.{KEY}")
    return made
