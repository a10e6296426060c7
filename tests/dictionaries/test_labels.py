"""Labels of atoms travel with provenance, through files, and are no identity."""

from __future__ import annotations

import pytest

from saebench.dictionaries.checkpoints import load, save
from saebench.dictionaries.contract import Provenance
from saebench.dictionaries.fakes import RandomLinear
from saebench.dictionaries.labels import atom_labels, with_atom_labels
from saebench.errors import CheckpointError


def test_labels_are_read_back_from_a_checkpoint_and_change_no_fingerprint(tmp_path):
    plain, made = RandomLinear.draw(4, 3), RandomLinear.draw(4, 3)
    made.provenance = with_atom_labels(Provenance("itda"), [("a", 0), ("a", 7), ("b", 2)])
    save(made, tmp_path / "itda")
    assert atom_labels(load(tmp_path / "itda")) == (("a", 0), ("a", 7), ("b", 2))
    assert made.fingerprint() == plain.fingerprint()
    assert atom_labels(plain) is None


@pytest.mark.parametrize("labels", [[["a", 0]], [["a"], ["b"], ["c"]], [1, 2, 3]])
def test_labels_that_are_not_one_place_an_atom_are_refused(labels):
    made = RandomLinear.draw(4, 3)
    made.provenance = Provenance("itda", extra={"atom_labels": labels})
    with pytest.raises(CheckpointError, match="label"):
        atom_labels(made)
