from dataclasses import replace

import pytest
import torch
from torch import Tensor

from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder, RandomDictionary
from saebench.baselines.pca import PrincipalComponents
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.conformance import check_dictionary
from saebench.dictionaries.contract import Context, Dictionary

D, LATENTS = 8, 40


def activations() -> Tensor:
    return torch.randn(60, D, generator=torch.Generator().manual_seed(0)) + 1


def random() -> RandomDictionary:
    return RandomDictionary(D, LATENTS, 4, 0, torch.ones(D))


def failures(dictionary: Dictionary, x: Tensor | None = None) -> set[str]:
    return {
        finding.name for finding in check_dictionary(dictionary, activations() if x is None else x) if not finding.ok
    }


@pytest.mark.parametrize(
    "dictionary",
    [
        Identity(D),
        MeanOnly(torch.ones(D)),
        random(),
        PermutedDecoder(random(), 0),
        PrincipalComponents.fit(torch.ones(D), torch.eye(D), 3),
    ],
    ids=lambda dictionary: dictionary.kind,
)
def test_our_own_dictionaries_keep_the_contract(dictionary: Dictionary) -> None:
    assert failures(dictionary) == set()


class Broken(RandomDictionary):
    """A sound dictionary; each subclass breaks one promise."""


class Stateful(Broken):
    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        self.last = float(x.mean())
        return super().encode(x, context)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return super().decode(codes, x) + self.last


class Coupled(Broken):
    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return super().encode(x - x.mean(0), context)


class Negative(Broken):
    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return DenseCodes(-super().encode(x, context).dense())


class OtherAtoms(Broken):
    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return 2 * super().decode(codes, x)


class NarrowCodes(Broken):
    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return DenseCodes(super().encode(x, context).dense()[:, 1:])


class Failing(Broken):
    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        (Stateful, "decode is pure"),
        (Coupled, "a token's codes do not depend on the batch"),
        (Negative, "signs are as the traits say"),
        (OtherAtoms, "atoms are what decode adds"),
        (NarrowCodes, "codes have the right shape"),
        (Failing, "encode and decode run"),
    ],
)
def test_a_broken_promise_is_found_and_no_other(kind: type[Broken], finding: str) -> None:
    assert failures(kind(D, LATENTS, 4, 0, torch.ones(D))) == {finding}


def test_a_promise_that_the_traits_do_not_make_is_not_checked() -> None:
    coupled = Coupled(D, LATENTS, 4, 0, torch.ones(D))
    coupled.traits = replace(coupled.traits, batch_coupled=True)
    assert failures(coupled) == set()


def test_nan_weights_zero_atoms_and_a_wrong_width_are_found() -> None:
    dictionary = random()
    dictionary.directions[3] = 0
    assert "no atom is zero" in failures(dictionary)
    dictionary.directions[0, 0] = float("nan")
    assert {"weights are finite", "codes are finite"} <= failures(dictionary)
    assert failures(random(), torch.randn(10, D + 1)) == {"reads the width of the site"}


def test_a_linear_decoder_without_atoms_is_found() -> None:
    silent = MeanOnly(torch.ones(D))
    silent.traits = replace(silent.traits, linear_decoder=True)
    assert "atoms are given" in failures(silent)
