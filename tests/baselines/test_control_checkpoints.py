import json
from pathlib import Path

import pytest
import torch

from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder, RandomDictionary
from saebench.baselines.pca import PrincipalComponents
from saebench.dictionaries import checkpoints
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.rules import RowTopK
from saebench.dictionaries.blocks.sparsifier import Sparsifier
from saebench.dictionaries.contract import Provenance
from saebench.dictionaries.fixed import FixedDictionary

SITE = "blocks.3.hook_resid_post"


def trained_like() -> SparseAutoencoder:
    composition = Composition("topk", sparsifier=Sparsifier(rule=RowTopK(3)))
    dictionary = SparseAutoencoder(
        composition, 8, 20, sites=(SITE,), provenance=Provenance(architecture="topk", train_seed=7)
    )
    dictionary.initialise(torch.Generator().manual_seed(0), torch.randn(64, 8))
    return dictionary


def every_fixed_dictionary() -> list[FixedDictionary]:
    mean = torch.linspace(-1, 1, 8)
    random = RandomDictionary(8, 20, 3, 5, mean, sites=(SITE,))
    return [
        Identity(8, sites=(SITE,)),
        MeanOnly(mean),
        random,
        PermutedDecoder(random, 1),
        PermutedDecoder(trained_like(), 1),
        PermutedDecoder(PermutedDecoder(random, 1), 2),
        PrincipalComponents.fit(mean, torch.eye(8) + 0.1, 3, sites=(SITE,)),
    ]


@pytest.mark.parametrize("index", range(len(every_fixed_dictionary())))
def test_saved_and_loaded_it_is_the_same_dictionary(index: int, tmp_path: Path) -> None:
    before = every_fixed_dictionary()[index]
    checkpoints.save(before, tmp_path)
    after = checkpoints.load(tmp_path)
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(after.encode(x).dense(), before.encode(x).dense())
    assert torch.equal(after.decode(after.encode(x)), before.decode(before.encode(x)))
    assert after.fingerprint() == before.fingerprint()
    assert after.sites_in == before.sites_in
    assert after.traits == before.traits
    assert json.dumps(after.provenance.to_json()) == json.dumps(before.provenance.to_json())


def test_a_permuted_copy_remembers_what_it_was_made_from(tmp_path: Path) -> None:
    checkpoints.save(PermutedDecoder(trained_like(), 0), tmp_path)
    permuted = checkpoints.load(tmp_path)
    assert isinstance(permuted, PermutedDecoder)
    assert permuted.provenance.architecture == "permuted_decoder"
    assert permuted.of.provenance.train_seed == 7
    assert permuted.sites_in == (SITE,)
