"""Truths about `scr@1`: known values, known features, directions, exclusions, the same numbers by brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import Counting, MemoryJournal, Planted, features, subjects, write_table

from saebench.baselines.controls import MeanOnly, PermutedDecoder
from saebench.dictionaries.fakes import RandomLinear
from saebench.lm.fakes import tiny_model
from saebench.results.items import ItemTable
from saebench.tasks.contract import Scores
from saebench.tasks.scr.measures import directions, item_columns
from saebench.tasks.scr.task import BIASED, Scr, ScrParams, effects, shelves_of, with_probes
from saebench.tasks.summary import summarise
from saebench.token_means.latents import N_VALUES, probe_gains, strongest
from saebench.token_means.means import code_means

CELL = 60
STRONG, WEAK = 2.5, 1.0


@pytest.fixture(scope="module")
def lm():
    return tiny_model("llama", n_layers=2, d_model=8)


def active(text: str) -> dict[int, float]:
    """Feature 0 or 2 for the first label, 1 or 3 for the second, which is the stronger one; 4 and 5 for a third."""
    first, second, third = text[0] == "b", text[1] == "v", text[2] == "q"
    return {0 if first else 2: WEAK, 1 if second else 3: STRONG, 4 if third else 5: WEAK}


TEXTS = [f"{a}{b}{'pq'[n % 2]} text no {n} of it" for n in range(CELL) for a in "ab" for b in "uv"]
ROWS = [
    {"text": text, "job": text[0], "sex": text[1], "other": text[2], "none": "xy"[i // 8 % 2]}
    for i, text in enumerate(TEXTS)
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scr")
    path = write_table(folder, "jobs", ROWS, "first: job\nsecond: sex\n")
    return Planted.of(TEXTS, active), ScrParams(pairs=(str(path),), random_draws=3)


def run(world, lm, dictionaries, **settings):
    planted, params = world
    bench = planted.bench(lm, params, **settings)
    scores = Scr().run(subjects(dictionaries), bench)
    assert not bench.failures
    return scores


def values(scores):
    return {name: metric.value for name, metric in summarise(Scr.card, scores).items()}


def of_columns(columns, *names):
    n = len(columns["gap"])
    ids = tuple(map(str, range(n)))
    card = replace(Scr.card, metrics=tuple(Scr.card.metric(name) for name in names))
    named = {name: column for name, column in columns.items() if column.ndim == 1}
    named |= {f"{name}_n2": column[0] for name, column in columns.items() if column.ndim == 2}
    return {name: one.value for name, one in summarise(card, Scores({"texts": ItemTable(ids, ids, named)})).items()}


def right(*accuracies: float, n: int = 20):
    return np.stack([np.arange(n) < round(n * accuracy) for accuracy in accuracies])


def test_the_score_of_given_accuracies():
    """O7.2: base .6, clean .95, after .8 give .571429."""
    base, clean, after = (right(*pair, n=400) for pair in ((0.6, 0.9), (0.95, 0.95), (0.8, 0.95)))
    after = after[None]
    columns = item_columns(base, clean, after, after, directions(base, clean))
    made = of_columns(columns, "scr_n2", "scr_dir1_n2", "scr_dir2_n2", "scr_above_random_n2")
    assert made["scr_n2"] == pytest.approx(0.571429, abs=1e-6)
    assert made["scr_dir1_n2"] == pytest.approx(0.571429, abs=1e-6)
    assert made["scr_dir2_n2"] == pytest.approx(1.0)
    assert made["scr_above_random_n2"] == 0.0


def test_where_both_directions_tie_both_count_half():
    base, clean, after = right(0.6, 0.6), right(0.8, 0.8), right(0.8, 0.7)[None]
    chosen = directions(base, clean)
    assert chosen.weight.tolist() == [0.5, 0.5]
    assert of_columns(item_columns(base, clean, after, after, chosen), "scr_n2")["scr_n2"] == pytest.approx(0.75)


def test_a_direction_without_a_gap_does_not_count():
    base, clean = right(0.6, 0.9, n=400), right(0.6, 0.95, n=400)
    chosen = directions(base, clean)
    assert (chosen.counted.tolist(), chosen.weight.tolist()) == ([0.0, 1.0], [0.0, 1.0])
    assert not directions(right(0.9, 0.9), right(0.9, 0.9)).counted.any()
    # One text of twenty is .05 and chance.
    assert not directions(right(0.9, 0.9), right(0.95, 0.95)).counted.any()


def test_known_features_free_the_probe(world, lm):
    oracle = RandomLinear(features())
    dictionaries = {"oracle": oracle, "permuted": PermutedDecoder(oracle, 0)}
    scores = run(world, lm, dictionaries)
    made = {name: values(one) for name, one in scores.items()}
    pair = scores["oracle"].details["pairs"]["jobs"]
    assert pair["direction_weights"] == [1.0, 0.0]
    assert min(pair["test"]["clean"]) > 0.9
    assert made["oracle"]["scr_n2"] > 0.8
    assert made["oracle"]["scr_n2"] == made["oracle"]["scr_dir1_n2"]
    assert abs(made["oracle"]["scr_random_n2"]) < 0.2
    assert made["oracle"]["scr_above_random_n2"] > 0.6
    assert made["permuted"]["scr_n2"] < made["oracle"]["scr_n2"] - 0.3


def test_brute_force_gives_the_same_score_with_many_more_encodings(world, lm):
    """Every label's latents, every n, each of the six lists of texts: encode, decode, add the error, average."""
    dictionary = Counting(RandomLinear.draw(24, 40, offset=0.2, seed=5).rows, 0.2)
    planted, params = world
    bench = planted.bench(lm, params)
    scores = Scr().run(subjects({"one": dictionary}), bench)["one"]
    once = sum(dictionary.seen)
    assert once == scores.cost["encoded_tokens"]

    (shelf,) = shelves_of(params, lm, 0)
    activations = planted.harvest(shelf.rows, "")
    (made,) = with_probes(shelf, activations, "blocks.1.hook_resid_post", bench)
    codes = code_means(dictionary, activations, 4, "cpu", torch.float32)
    gains = probe_gains(dictionary, made.weights)
    texts, labels = made.pair.texts["test"], made.pair.labels["test"]

    def mean_of(text, latents=None):
        x = activations.block(text, text + 1)[0][torch.from_numpy(shelf.rows.mask[text])]
        if latents is None:
            return x.double().mean(0).numpy()
        found = dictionary.encode(x)
        error = x - dictionary.decode(found)
        return (dictionary.decode(found.ablate(torch.from_numpy(latents.copy()))) + error).double().mean(0).numpy()

    bias = made.scores[0, BIASED] - mean_of(0) @ made.weights[BIASED]
    dictionary.seen.clear()
    passes = 0
    lists = [texts[labels[:, column] == value] for column in (0, 1) for value in (False, True)]
    lists += [texts[labels.all(1)], texts[~labels.any(1)]]
    for ablated in (0, 1, BIASED):
        order = strongest(effects(codes.means, made.pair, min(ablated, 1), gains), 500)
        for n in N_VALUES:
            answers = {}
            for texts_of_a_list in lists:
                passes += 1
                means = np.stack([mean_of(text, order[:n]) for text in texts_of_a_list])
                answers |= dict(zip(texts_of_a_list, means @ made.weights[BIASED] + bias > 0, strict=True))
            if ablated != BIASED:
                asked = 1 - ablated
                base = (made.scores[texts, BIASED] > 0) == labels[:, asked]
                clean = (made.scores[texts, asked] > 0) == labels[:, asked]
                counted = scores.details["pairs"]["jobs"]["directions_counted"][asked]
                own = scores.tables["texts"].columns
                gain = (np.array([answers[text] for text in texts]) == labels[:, asked]).astype(float) - base
                assert own[f"gain{asked + 1}_n{n}"].tolist() == (counted * gain).tolist()
                assert own[f"gap{asked + 1}"].tolist() == (counted * (clean.astype(float) - base)).tolist()
    assert passes == 126
    # Every test text stands in two of the lists, those on which the labels agree in three.
    assert sum(dictionary.seen) == 21 * sum(shelf.rows.mask[one].sum() for one in lists)
    assert sum(dictionary.seen) > 50 * shelf.rows.mask[texts].sum()
    assert sum(dictionary.seen) > 15 * once


def test_order_of_subjects_cache_batch_and_interruption_change_nothing(world, lm, tmp_path):
    dictionaries = {"a": RandomLinear.draw(24, 40, offset=0.2, seed=1), "b": RandomLinear(features())}
    reverse = dict(reversed(dictionaries.items()))
    cold = {name: values(one) for name, one in run(world, lm, dictionaries, folder=tmp_path).items()}
    warm = {name: values(one) for name, one in run(world, lm, reverse, folder=tmp_path).items()}
    assert cold == warm
    other = values(run(world, lm, {"a": dictionaries["a"]}, rows_per_block=1)["a"])
    assert {k: v for k, v in other.items() if v is not None} == pytest.approx(
        {k: v for k, v in cold["a"].items() if v is not None}, rel=1e-5
    )
    journal = MemoryJournal(left=1)
    with pytest.raises(KeyboardInterrupt):
        run(world, lm, dictionaries, journal=journal)
    resumed = run(world, lm, dictionaries, journal=journal)
    assert {name: values(one) for name, one in resumed.items()} == cold


def test_a_pair_that_misleads_no_probe_is_left_out_before_a_dictionary_is_looked_at(world, lm, tmp_path):
    """The second label of `idle` leaves no trace in the activations, so that no probe can be misled by it."""
    planted, params = world
    idle = write_table(tmp_path, "idle", ROWS, "first: sex\nsecond: none\n")
    dictionary = Counting(features())
    alone = run((planted, ScrParams(pairs=(str(idle),))), lm, {"one": dictionary})["one"]
    assert not dictionary.seen
    assert "differ by less than 0.05 or 2.0 standard errors" in alone.details["excluded"]["idle"]
    made = summarise(Scr.card, alone)
    assert "no pair of labels misleads a probe enough" in (made["scr_n2"].undefined or "")
    both = run((planted, ScrParams(pairs=(*params.pairs, str(idle)), random_draws=3)), lm, {"one": dictionary})["one"]
    assert list(both.details["excluded"]) == ["idle"]
    assert values(both) == values(run(world, lm, {"one": dictionary})["one"])


def test_a_text_of_several_pairs_is_encoded_once_and_is_one_cluster(world, lm, tmp_path):
    planted, _ = world
    first, second = (
        write_table(tmp_path, name, ROWS, f"first: job\nsecond: {column}\n")
        for name, column in (("one", "sex"), ("two", "other"))
    )
    params = ScrParams(pairs=(str(first), str(second)))
    shelves = shelves_of(params, lm, 0)
    assert [shelf.family for shelf in shelves] == ["one", "two"]
    dictionary = Counting(features())
    scores = run((planted, params), lm, {"one": dictionary})["one"]
    table = scores.tables["texts"]
    assert len(set(table.items)) == len(table.items)
    assert len(set(table.clusters)) < len(table.clusters)


def test_more_latents_than_there_are_and_no_atoms_are_undefined(world, lm):
    scores = run(world, lm, {"oracle": RandomLinear(features()), "mean": MeanOnly(torch.zeros(24))})
    made = summarise(Scr.card, scores["oracle"])
    assert made["scr_n20"].value is not None
    assert made["scr_n50"].undefined == "the dictionary has 24 latents"
    assert {metric.value for metric in summarise(Scr.card, scores["mean"]).values()} == {None}
    assert "not affine" in scores["mean"].undefined["scr_n2"]
