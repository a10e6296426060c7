"""Makers of controls: baselines whose place in a ranking is known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saebench.errors import UsageError
from saebench.subjects.makers import made, whole
from saebench.subjects.resolving import resolve_one
from saebench.subjects.scored import DictionarySubject
from saebench.subjects.spec import Spec, expect_parameters
from saebench.subjects.stage import Stage

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary


def identity(spec: Spec, stage: Stage) -> DictionarySubject:
    """Gives back its input: the oracle of every reconstruction metric."""
    from saebench.baselines.controls import Identity

    expect_parameters(spec, ())
    width = stage.lm.site(stage.site).width
    recipe = {"control": "identity", "d": width}
    return made(spec.text, "identity", stage, recipe, "identity", lambda: Identity(width))


def mean(spec: Spec, stage: Stage) -> DictionarySubject:
    """Predicts the mean of the evaluated unmasked tokens, whatever the input."""
    from saebench.baselines.controls import MeanOnly

    expect_parameters(spec, ())
    recipe = {"control": "mean", "of": stage.origin("eval")}
    return made(spec.text, "mean", stage, recipe, "mean", lambda: MeanOnly(stage.evaluated(stage.site).mean()))


def random(spec: Spec, stage: Stage) -> DictionarySubject:
    """Random atoms with exactly `l0` active latents a token."""
    from saebench.baselines.controls import RandomDictionary

    expect_parameters(spec, ("d_dict", "l0", "seed"))
    width = stage.lm.site(stage.site).width
    d_dict, l0, seed = (whole(spec, key, stage, 0 if key == "seed" else None) for key in ("d_dict", "l0", "seed"))
    recipe = {"control": "random", "d_dict": d_dict, "l0": l0, "seed": seed, "centre": stage.origin("fit")}

    def make() -> Dictionary:
        return RandomDictionary(width, d_dict, l0, seed, stage.fitted_on(stage.site).mean(), sites=(stage.site,))

    text = f"control:random?d_dict={d_dict}&l0={l0}&seed={seed}"
    return made(text, f"random-{d_dict}-l0-{l0}-s{seed}", stage, recipe, "random", make)


def permuted(spec: Spec, stage: Stage) -> DictionarySubject:
    """The codes of a dictionary with its atoms handed to other latents."""
    from saebench.baselines.controls import PermutedDecoder

    expect_parameters(spec, ("of", "seed"))
    if "of" not in spec.parameters:
        raise UsageError(f"subject '{spec.text}' needs the dictionary to permute: control:permuted?of=SUBJECT")
    seed = whole(spec, "seed", stage, 0)
    parent = resolve_one(spec.parameters["of"], stage)
    recipe = {"control": "permuted", "of": parent.fingerprint, "seed": seed}

    def make() -> Dictionary:
        return PermutedDecoder(parent.make(), seed)

    text = f"control:permuted?seed={seed}&of={parent.spec}"
    return made(text, f"permuted-{parent.name}", stage, recipe, "permuted", make)


def oracle(spec: Spec, stage: Stage) -> DictionarySubject:
    """The true features of a synthetic world."""
    from saebench.baselines.oracle import Oracle
    from saebench.lm.synthetic.model import SyntheticModel
    from saebench.lm.synthetic.tokenizer import sample_numbers

    expect_parameters(spec, ())
    lm = stage.lm
    if not isinstance(lm, SyntheticModel):
        raise UsageError(
            f"subject '{spec.text}': nobody knows the true features of {lm.name}; "
            "the oracle is for synthetic worlds (--lm synthetic:small)"
        )

    def make() -> Dictionary:
        known = Oracle.of(lm.world)
        rows = stage.evaluated(stage.site).rows
        known.table.expect(sample_numbers(rows.tokens[rows.mask]))
        return known

    return made(spec.text, "oracle", stage, {"control": "oracle", "lm": lm.fingerprint}, "oracle", make)
