"""Truths about `similarity@1` on small planted activations, against independent computations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from planted import MemoryJournal
from scipy.optimize import linear_sum_assignment

from saebench.activations.sets import ActivationSet
from saebench.baselines.controls import Identity, MeanOnly
from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.encoder import LinearEncoder
from saebench.dictionaries.checkpoints import save
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Provenance, Traits
from saebench.dictionaries.fakes import RandomLinear
from saebench.dictionaries.labels import with_atom_labels
from saebench.fakes import FakeGroup, FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.matching.cka import linear_cka
from saebench.run.evaluate import Settings, run_suite
from saebench.tasks.similarity.task import Similarity, SimilarityParams
from saebench.tasks.summary import summarise

HERE, THERE = "blocks.1.hook_resid_post", "blocks.0.hook_resid_post"
D, ROWS, CONTEXT = 16, 30, 20
PARAMS = SimilarityParams(tokens=400, cka_tokens=300, pairs=50, permutations=60)
SIMILARITIES = (
    "cka_codes",
    "cka_reconstructions",
    "cka_codes_biased",
    "cka_reconstructions_biased",
    "svcca",
    "rsa",
    "rsa_correlation",
    "mmcs_first",
    "mmcs_second",
    "mmcs_first_calibrated",
    "mmcs_second_calibrated",
    "match_fires_together",
)


@pytest.fixture(scope="module")
def lm():
    return tiny_model("llama", n_layers=2, d_model=D)


@pytest.fixture(scope="module")
def data() -> dict[str, ActivationSet]:
    """Sparse combinations of 24 directions, and a noisy rotation of them at the other site."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(24, D))
    strengths = random.exponential(size=(ROWS * CONTEXT, 24)) * (random.random((ROWS * CONTEXT, 24)) < 0.2)
    x = strengths @ directions + 0.05 * random.normal(size=(ROWS * CONTEXT, D)) + 0.5
    rotation = np.linalg.qr(random.normal(size=(D, D)))[0]
    mask = torch.ones(ROWS, CONTEXT, dtype=torch.bool)
    mask[:, 0] = False
    documents = torch.arange(ROWS)[:, None].expand(ROWS, CONTEXT) // 2
    made = {}
    for site, values in ((HERE, x), (THERE, x @ rotation + 0.2 * random.normal(size=x.shape))):
        tensor = torch.from_numpy(values).float().view(ROWS, CONTEXT, D)
        made[site] = ActivationSet.from_tensor(tensor, mask, documents, site=site)
    made[THERE].rows = made[HERE].rows
    return made


def sae(name: str = "topk", width: int = 64, seed: int = 0, site: str = HERE, **options) -> SparseAutoencoder:
    """Untrained, its encoder tied to its atoms."""
    made = SparseAutoencoder(ARCHITECTURES.get(name)(**options), D, width, sites=(site,))
    generator = torch.Generator().manual_seed(seed)
    made.initialise(generator, torch.randn(256, D, generator=generator))
    return made.fold()


def reordered(dictionary: SparseAutoencoder, seed: int = 1) -> SparseAutoencoder:
    order = torch.randperm(dictionary.d_dict, generator=torch.Generator().manual_seed(seed))
    weights = {
        name: weight if dictionary.latent_axis(name) is None else weight[order]
        for name, weight in dictionary.weights().items()
    }
    return dictionary.rewritten(dictionary.composition, weights)


def pair(first, second, sites=(HERE, HERE), name="pair") -> FakeGroup:
    members = tuple(
        FakeSubject(made, f"{name}-{i}", site)
        for i, (made, site) in enumerate(zip((first, second), sites, strict=True))
    )
    return FakeGroup(members, name, "pair", sites[0])


def run(lm, data, *pairs, params=PARAMS, rows_per_block=7, journal=None, eval_seed=0):
    bench = bench_of(
        lm,
        params,
        rows_per_block=rows_per_block,
        journal=journal,
        eval_seed=eval_seed,
        source=lambda request: data[request.site],
    )
    return Similarity().run(list(pairs), bench), bench


def score(lm, data, first, second, sites=(HERE, HERE), **more):
    """(metrics, scores) of one pair."""
    scores, bench = run(lm, data, pair(first, second, sites), **more)
    assert not bench.failures
    return summarise(Similarity.card, scores["pair"]), scores["pair"]


def inputs(data, site=HERE) -> torch.Tensor:
    return data[site].block(0, ROWS)[torch.from_numpy(np.array(data[site].mask))]


@pytest.mark.parametrize("name", ["topk", "jumprelu", "relu", "gated"])
def test_a_dictionary_and_itself_in_another_order_are_the_same(lm, data, name):
    dictionary = sae(name, **({"k": 8} if name == "topk" else {}))
    made, scores = score(lm, data, dictionary, reordered(dictionary))
    for metric in SIMILARITIES:
        assert made[metric].value == pytest.approx(1, abs=1e-5), metric
    for metric in ("match_mse", "match_distance", "match_mse_all_weights", "match_distance_all_weights"):
        if name != "gated" or "all" not in metric:
            assert made[metric].value == pytest.approx(0, abs=1e-6), metric
    assert made["novel_fraction"].value == 0
    assert made["svcca_p"].value == made["rsa_p"].value == pytest.approx(1 / 61)
    assert scores.details["match"]["folded"] == (name == "jumprelu")


def test_two_random_dictionaries_lie_on_the_null(lm, data):
    made, _ = score(
        lm, data, RandomLinear.draw(D, 200, offset=2.0, seed=0), RandomLinear.draw(D, 150, offset=2.0, seed=1)
    )
    assert abs(made["mmcs_first_calibrated"].value) < 0.05
    assert abs(made["mmcs_second_calibrated"].value) < 0.05
    assert made["match_distance"].value < 1
    assert made["novel_fraction"].value > 0.7


def test_codes_that_have_nothing_to_do_with_each_other_have_no_cka(lm, data):
    """The second one reads noise that is a function of the token but of no direction of the data."""
    made, _ = score(lm, data, RandomLinear.draw(D, 80, offset=2.0), Scrambled(D))
    assert abs(made["cka_codes"].value) < 0.03
    assert made["cka_codes_biased"].low > 0.03
    assert made["cka_codes"].low < 0 < made["cka_codes"].high


@dataclass(eq=False)
class Scrambled(Identity):
    """Codes made from the low digits of the input."""

    def encode(self, x: torch.Tensor, context=None) -> Codes:
        return DenseCodes(torch.frac(x * 1e4).abs())


def test_numbers_equal_direct_computations(lm, data):
    first, second = sae("relu", 40, seed=2), sae("topk", 24, seed=3, k=6)
    everything = SimilarityParams(tokens=10_000, cka_tokens=10_000, pairs=50, permutations=20)
    made, scores = score(lm, data, first, second, params=everything)
    x = inputs(data)
    with torch.no_grad():
        f, g = (one.encode(x).dense().double().numpy() for one in (first, second))
        y, z = (one(x).double().numpy() for one in (first, second))
    a, b = (one.atoms.double().numpy() for one in (first, second))
    assert made["cka_codes"].value == pytest.approx(linear_cka(f, g).debiased, rel=1e-5)
    assert made["cka_reconstructions"].value == pytest.approx(linear_cka(y, z).debiased, rel=1e-5)
    assert made["cka_reconstructions_biased"].value == pytest.approx(linear_cka(y, z).biased, rel=1e-5)

    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (a, b)]
    cosines = unit[0] @ unit[1].T
    assert made["mmcs_first"].value == pytest.approx(cosines.max(1).mean(), abs=1e-6)
    assert made["mmcs_second"].value == pytest.approx(cosines.max(0).mean(), abs=1e-6)
    novel = cosines.max(1) <= 0.7
    assert made["novel_fraction"].value == pytest.approx(novel.mean())

    error = x.double().numpy() - z
    changes = np.array([np.square(error - np.outer(f[:, i], a[i])).sum() - np.square(error).sum() for i in range(40)])
    fires = (f != 0).any(0)
    assert made["novel_helps"].value == pytest.approx((changes[novel & fires] < 0).mean())
    if (~novel & fires).any():
        assert made["reconstruction_hurts"].value == pytest.approx((changes[~novel & fires] > 0).mean())
    assert scores.tables["latents"].columns["change"][:40] == pytest.approx(changes, rel=1e-4, abs=1e-3)

    distances = np.square(a[:, None] - b[None]).sum(-1)
    rows, columns = linear_sum_assignment(distances)
    assert made["match_mse"].value == pytest.approx(distances[rows, columns].mean() / D, rel=1e-6)
    together = sum(((f[:, i] != 0) & (g[:, j] != 0)).sum() for i, j in zip(rows, columns, strict=True))
    assert made["match_fires_together"].value == pytest.approx(together / (f[:, rows] != 0).sum())


def test_pseudo_values_keep_the_statistic_and_have_the_jackknifes_error(lm, data):
    made, scores = score(lm, data, sae(seed=2, k=6), sae(seed=3, k=6))
    values = scores.tables["document_groups"].columns["cka_codes"]
    assert scores.details["document_groups"] == len(values) == 15
    assert values.mean() == pytest.approx(made["cka_codes"].value, abs=1e-12)
    assert made["cka_codes"].low < made["cka_codes"].value < made["cka_codes"].high


def test_jumprelu_dictionaries_that_differ_in_scale_alone_match_exactly_when_folded(lm, data):
    """f -> c f, atom -> atom / c with any c > 0 a latent is the same function."""
    first = sae("jumprelu", seed=4)
    with torch.no_grad():
        first.threshold.copy_(torch.linspace(0.1, 1, 64))
    c = torch.linspace(0.2, 5, 64)
    ours = {name: weight.detach() for name, weight in first.weights().items()}
    other = first.rewritten(
        first.composition,
        {
            **ours,
            "W_enc": ours["W_enc"] * c[:, None],
            "b_enc": ours["b_enc"] * c,
            "threshold": ours["threshold"] * c,
            "W_dec": ours["W_dec"] / c[:, None],
        },
    )
    made, scores = score(lm, data, first, reordered(other))
    assert scores.details["match"] == {"folded": True, "solver": "exact", "same_partner_by_all_weights": 1.0}
    assert made["match_distance"].value == pytest.approx(0, abs=1e-10)
    assert made["match_distance_all_weights"].value == pytest.approx(0, abs=1e-10)
    assert made["match_fires_together"].value == pytest.approx(1, abs=0.01)
    apart, _ = score(lm, data, sae("relu", seed=4), other)
    assert apart["match_distance"].value > 0.1


def test_encoder_biases_are_compared_on_the_same_footing(lm, data):
    """Subtracting b_dec before encoding is the same as a bias of b_enc - W_enc b_dec."""
    first = sae("relu", seed=4)
    with torch.no_grad():
        first.b_dec.copy_(torch.linspace(-1, 2, D))
        first.b_enc.copy_(torch.linspace(-1, 1, 64))
    blocks = replace(first.composition, encoder=LinearEncoder(subtract_b_dec=False))
    ours = {name: weight.detach() for name, weight in first.weights().items()}
    other = first.rewritten(blocks, {**ours, "b_enc": ours["b_enc"] - ours["W_enc"] @ ours["b_dec"]})
    made, _ = score(lm, data, first, reordered(other))
    assert made["match_distance_all_weights"].value == pytest.approx(0, abs=1e-10)


def test_members_at_two_sites_are_compared_and_inserted_nowhere(lm, data):
    made, scores = score(lm, data, sae(seed=2, k=6), sae(seed=3, site=THERE, k=6), (HERE, THERE))
    assert Similarity().needs(pair(None, None, (HERE, THERE)))[1].site == THERE
    x, y = inputs(data), inputs(data, THERE)
    params = SimilarityParams(tokens=10_000, cka_tokens=10_000, pairs=50, permutations=20)
    whole, _ = score(lm, data, Identity(D), Identity(D), (HERE, THERE), params=params)
    assert whole["cka_codes"].value == pytest.approx(linear_cka(x.numpy(), y.numpy()).debiased, rel=1e-5)
    for metric in ("novel_helps", "reconstruction_hurts", "insertion_auc"):
        assert "two sites" in made[metric].undefined
    for metric in ("cka_codes", "svcca", "rsa", "mmcs_first", "novel_fraction", "match_distance"):
        assert made[metric].value is not None
    assert scores.details["sites"] == [HERE, THERE]


def test_signed_codes_are_compared_up_to_the_sign_of_an_atom(lm, data):
    made, scores = score(lm, data, Identity(D), Flipped(D), params=PARAMS.model_copy(update={"pairs": 16}))
    assert scores.details["cosines"] == "absolute"
    assert made["mmcs_first"].value == made["cka_codes"].value == 1
    assert "too few" in made["svcca"].undefined
    assert "do not vary" in made["rsa"].undefined
    assert made["rsa_correlation"].value is None


@dataclass(eq=False)
class Flipped(Identity):
    """Every other coordinate with the opposite sign."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.signs = torch.tensor([1.0, -1.0]).repeat(self.d // 2)

    def encode(self, x: torch.Tensor, context=None) -> Codes:
        return DenseCodes(x * self.signs)

    def decode(self, codes: Codes, x=None) -> torch.Tensor:
        return codes.dense() * self.signs

    @property
    def atoms(self) -> torch.Tensor:
        return torch.diag(self.signs)


def test_a_dictionary_without_atoms_leaves_reasons_and_no_number(lm, data):
    made, scores = score(lm, data, sae(k=6), MeanOnly(torch.ones(D)))
    for metric, value in made.items():
        assert value.value is None, metric
        assert value.undefined, metric
    assert not scores.tables
    assert "second dictionary has no atoms" in made["mmcs_first"].undefined
    assert "vary" in made["cka_codes"].undefined


def test_labels_of_atoms_are_compared_where_both_have_them(lm, data):
    def labelled(first: int) -> RandomLinear:
        made = RandomLinear.draw(D, 30, offset=1.0)
        made.provenance = with_atom_labels(Provenance("itda"), [(f"text {i % 7}", i) for i in range(first, first + 30)])
        return made

    made, scores = score(lm, data, labelled(0), labelled(10))
    assert made["itda_jaccard"].value == 20 / 40
    assert scores.tables["labels"].clusters.count("text 3") == 6
    without, _ = score(lm, data, labelled(0), RandomLinear.draw(D, 30))
    assert "second dictionary have no labels" in without["itda_jaccard"].undefined


def equal(a, b, relative: float = 0.0) -> bool:
    """All metrics, to a relative difference."""
    left, right = (summarise(Similarity.card, one) for one in (a, b))
    return all(
        left[name].value == right[name].value
        if left[name].value is None
        else left[name].value == pytest.approx(right[name].value, rel=relative, abs=relative)
        for name in left
    )


def test_order_interruption_and_block_size_change_nothing(lm, data):
    first, second = pair(sae(seed=2, k=6), sae(seed=3, k=6), name="a"), pair(sae("relu"), sae(width=32, k=4), name="b")
    whole, _ = run(lm, data, first, second)
    turned, _ = run(lm, data, second, first)
    assert all(equal(whole[name], turned[name]) for name in ("a", "b"))
    journal = MemoryJournal(left=1)
    with pytest.raises(KeyboardInterrupt):
        run(lm, data, first, second, journal=journal)
    first.members = tuple(FakeSubject(RuntimeError("made again"), one.fingerprint) for one in first.members)
    resumed, bench = run(lm, data, first, second, journal=journal)
    assert not bench.failures
    assert all(equal(whole[name], resumed[name]) for name in ("a", "b"))
    assert resumed["a"].details == whole["a"].details
    fresh = pair(sae(seed=2, k=6), sae(seed=3, k=6), name="a")
    assert equal(whole["a"], run(lm, data, fresh, rows_per_block=2)[0]["a"], 1e-5)


def test_other_seeds_draw_other_tokens(lm, data):
    first, second = sae(seed=2, k=6), sae(seed=3, k=6)
    values = [score(lm, data, first, second, eval_seed=seed)[0]["cka_codes"].value for seed in (0, 1)]
    assert values[0] != values[1]
    assert values[0] == pytest.approx(values[1], abs=0.2)


def test_a_member_that_reads_sequences_fails_its_own_pair_alone(lm, data):
    coupled = RandomLinear.draw(D, 30)
    coupled.traits = Traits(sequence_coupled=True)
    scores, bench = run(lm, data, pair(coupled, sae(k=6), name="bad"), pair(sae(k=6), sae(seed=1, k=6), name="good"))
    assert list(scores) == ["good"]
    assert "whole sequences" in bench.failures["bad"].message


def test_half_precision_activations_are_read_as_they_are(data):
    half = SimpleNamespace(device=torch.device("cpu"), dtype=torch.bfloat16)
    first, second = (RandomLinear.draw(D, 64, offset=1.0, seed=seed).to("cpu", torch.bfloat16) for seed in (0, 1))
    made, _ = score(half, data, first, second)
    assert made["cka_codes"].value is not None
    assert made["novel_helps"].value is not None


def score_stored(world, tmp_path, spec: str):
    """The one record of a pair of stored dictionaries, scored by a suite."""
    text = world.suite.read_text().replace(
        "reconstruction@1", "similarity@1\n    params: {pairs: 64, permutations: 20}"
    )
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    done = run_suite([spec], str(path), Settings(Path("results")))
    assert not done.failures
    (record,) = done.records
    assert record.subject.kind == "pair"
    return record


def test_a_suite_scores_a_pair_of_stored_dictionaries(world, tmp_path):
    record = score_stored(world, tmp_path, f"pair:{world.dictionary},control:random?d_dict=48&l0=4")
    assert record.metrics["mmcs_first"].low < record.metrics["mmcs_first"].value
    assert record.metrics["novel_fraction"].n == 64


def test_a_suite_scores_a_pair_across_layers(world, tmp_path):
    save(sae(site=world.other, k=4), tmp_path / "below")
    record = score_stored(world, tmp_path, f"pair:{world.dictionary},{tmp_path / 'below'}")
    assert record.details["sites"] == [world.site, world.other]
    assert record.metrics["match_distance"].value is not None
    assert record.metrics["cka_reconstructions"].value < 0.999
    assert "two sites" in record.metrics["insertion_auc"].undefined
