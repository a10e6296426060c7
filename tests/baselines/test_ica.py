"""ICA: sources that were mixed come back, and with all components nothing is lost."""

from __future__ import annotations

import pytest
import torch
from planted_activations import sparse_sums, unexplained

from saebench.activations.sets import ActivationSet
from saebench.baselines.ica import IcaRecipe
from saebench.baselines.recipe import Ground
from saebench.errors import UsageError


def test_sources_come_back_with_their_heavy_side_positive():
    generator = torch.Generator().manual_seed(0)
    sources = torch.empty(8000, 5).exponential_(generator=generator) - 1
    mixing = torch.randn(5, 5, generator=generator)
    x = sources @ mixing + 3
    made = IcaRecipe(d_dict=5, l0=5).fit(Ground(ActivationSet.from_tensor(x)))
    codes = made.encode(x).dense()
    correlation = torch.corrcoef(torch.cat([sources.T, codes.T]))[:5, 5:]
    assert bool((correlation.max(1).values > 0.98).all()), "the sign is the one of the source, which leans to the right"
    assert made.provenance.extra["fit"]["converged"]
    torch.testing.assert_close(made.atoms.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(made.decode(made.encode(x)), x, rtol=1e-3, atol=1e-3)


def test_the_largest_codes_are_kept():
    x, _ = sparse_sums(8000, 8, 8, 2)
    few, all_ = (IcaRecipe(d_dict=8, l0=l0).fit(Ground(ActivationSet.from_tensor(x))) for l0 in (2, 8))
    codes, whole = few.encode(x).dense(), all_.encode(x).dense()
    assert bool(((codes != 0).sum(1) == 2).all())
    torch.testing.assert_close(codes.abs().sum(1), whole.abs().topk(2).values.sum(1))
    assert unexplained(x, few.decode(few.encode(x))) < 0.01, "two of eight independent directions were on"


def test_more_components_than_the_site_is_wide_are_refused():
    with pytest.raises(UsageError, match="d_dict of ica must lie between 1 and 16, not 17"):
        IcaRecipe(d_dict=17, l0=3).check(16)
    assert IcaRecipe.complete({"l0": "3"}, {"l0": 9, "d_dict": 2048}, 16) == {"l0": "3", "d_dict": 16}
