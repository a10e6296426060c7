from collections.abc import Callable
from dataclasses import replace

import pytest

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.constraint import UnitAtoms
from saebench.dictionaries.blocks.controllers import ThresholdAverage
from saebench.dictionaries.blocks.encoder import GatedEncoder
from saebench.dictionaries.blocks.objective import FixedPrefixes, SampledPrefixes
from saebench.dictionaries.blocks.regularisers import L0, L1, AuxK, GatedAux, Lp
from saebench.dictionaries.blocks.rules import BatchTopK, LatentThreshold, RowTopK
from saebench.dictionaries.blocks.sparsifier import AbsoluteScore, GateScore, SignedValue, Sparsifier
from saebench.errors import CompositionError, UnknownName
from saebench.fingerprint import canonical_json


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_a_composition_survives_json(name: str) -> None:
    composition = ARCHITECTURES.get(name)()
    assert composition.architecture == name
    config = composition.to_config()
    canonical_json(config)
    assert Composition.from_config(config) == composition


ILLEGAL: dict[str, Callable[[], object]] = {
    "keeps a threshold": lambda: Composition("x", sparsifier=Sparsifier(rule=BatchTopK(4))),
    "shrinking codes": lambda: Composition("x", regularisers=(L1(1.0),)),
    "growing atoms": lambda: Composition("x", regularisers=(Lp(1.0),)),
    "'gate' need each other": lambda: Composition("x", encoder=GatedEncoder()),
    "the score 'gate'": lambda: Composition("x", sparsifier=Sparsifier(score=GateScore())),
    "signed values": lambda: Composition("x", sparsifier=Sparsifier(AbsoluteScore(), RowTopK(2))),
    "the score 'abs'": lambda: Composition("x", sparsifier=Sparsifier(rule=RowTopK(2), value=SignedValue())),
    "a learned threshold reads": lambda: Composition(
        "x", sparsifier=Sparsifier(AbsoluteScore(), LatentThreshold(), SignedValue())
    ),
    "order of latents": lambda: Composition("x", objective=FixedPrefixes()),
    "thresholds that are learned": lambda: Composition("x", regularisers=(L0(1.0),)),
    "same kernel width": lambda: Composition(
        "x", sparsifier=Sparsifier(rule=LatentThreshold(0.1)), regularisers=(L0(1.0, 0.2),)
    ),
    "reads a gate": lambda: Composition("x", regularisers=(GatedAux(),)),
    "encoder without gate": lambda: Composition(
        "x", encoder=GatedEncoder(), sparsifier=Sparsifier(score=GateScore()), regularisers=(AuxK(),)
    ),
    "over prefixes needs": lambda: Composition("x", constraint=UnitAtoms(), regularisers=(L1(1.0, per_prefix=True),)),
    "same name": lambda: Composition("x", constraint=UnitAtoms(), regularisers=(L1(1.0), L1(2.0))),
    "rise from above 0": lambda: FixedPrefixes(ends=(0.5, 0.5, 1.0)),
    "to exactly 1": lambda: FixedPrefixes(ends=(0.5,)),
    "count >= 1": lambda: SampledPrefixes(count=0),
    "positive width": lambda: LatentThreshold(bandwidth=0),
}


@pytest.mark.parametrize("words", ILLEGAL)
def test_blocks_that_must_not_be_combined_are_refused_in_words(words: str) -> None:
    with pytest.raises(CompositionError, match=words):
        ILLEGAL[words]()


def test_unit_atoms_make_a_penalty_on_codes_sound_and_atom_norms_idle() -> None:
    Composition("x", constraint=UnitAtoms(), regularisers=(L1(1.0),))
    with pytest.warns(UserWarning, match="unit norm"):
        Composition("x", constraint=UnitAtoms(), regularisers=(L1(1.0, weight="atom_norm"),))


BAD_CONFIGS = {
    "has no field 'kk'": {"sparsifier": {"rule": {"kind": "row_topk", "k": 3, "kk": 4}}},
    "rule.row_topk.k": {"sparsifier": {"rule": {"kind": "row_topk", "k": "many"}}},
    "needs a 'kind'": {"encoder": {}},
    "unknown slots": {"sampler": {"kind": "none"}},
    "objective.reconstruction.scale": {"objective": {"kind": "reconstruction", "scale": "median"}},
    "optimiser": {"optimiser": {"lr": "fast"}},
}


@pytest.mark.parametrize("words", BAD_CONFIGS)
def test_a_bad_config_is_refused_with_its_place(words: str) -> None:
    topk = ARCHITECTURES.get("topk")().to_config()
    config = topk | BAD_CONFIGS[words]
    if "sparsifier" in BAD_CONFIGS[words]:
        config["sparsifier"] = topk["sparsifier"] | BAD_CONFIGS[words]["sparsifier"]
    with pytest.raises(CompositionError, match=words):
        Composition.from_config(config)


def test_an_unknown_block_names_its_neighbours() -> None:
    config = ARCHITECTURES.get("topk")().to_config()
    config["encoder"] = {"kind": "liner"}
    with pytest.raises(UnknownName, match="linear"):
        Composition.from_config(config)


def test_after_training_only_what_encodes_and_decodes_is_left() -> None:
    composition = ARCHITECTURES.get("matryoshka_batchtopk")(k=8)
    after = composition.after_training()
    assert after.sparsifier.rule.kind == "scalar_threshold"
    assert after.decoder.ordered
    assert (after.regularisers, after.controllers) == ((), ())
    assert after.inference_config() == composition.inference_config()


def test_traits_follow_from_blocks() -> None:
    topk = ARCHITECTURES.get("topk")()
    assert topk.traits().foldable_to == ()
    assert not topk.traits().scale_sensitive
    signed = replace(topk, sparsifier=Sparsifier(AbsoluteScore(), RowTopK(4), SignedValue()))
    assert signed.traits().signed
    assert ARCHITECTURES.get("batchtopk")().traits().scale_sensitive
    assert not ARCHITECTURES.get("batchtopk")().traits().batch_coupled
    assert ARCHITECTURES.get("matryoshka_sampled")().traits().ordered_latents
    for name in ("relu", "gated", "jumprelu", "batchtopk"):
        assert ARCHITECTURES.get(name)().traits().foldable_to == ("jumprelu",)


def test_a_threshold_controller_makes_a_batch_rule_legal() -> None:
    Composition("x", sparsifier=Sparsifier(rule=BatchTopK(4)), controllers=(ThresholdAverage(),))
