"""`scr@1` and `tpp@1` against sae-bench 0.6.0: effects, chosen latents, ablated texts, scores (make_token_means.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import sparse

from saebench.activations.sets import ActivationSet
from saebench.dictionaries.foreign import load_any
from saebench.tasks.scr.measures import Directions, item_columns
from saebench.tasks.tpp.measures import tpp
from saebench.token_means.latents import mean_difference, probe_gains, removed, strongest
from saebench.token_means.means import activation_means, code_means

pytestmark = pytest.mark.parity

CLASSES = ("a", "b", "c")
SIZES = (2, 5, 10, 20, 50)


@pytest.fixture(scope="module")
def folder(peers: Path) -> Path:
    return peers / "token_means"


@pytest.fixture(scope="module")
def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "tensors.safetensors")


@pytest.fixture(scope="module")
def dictionary(folder: Path):
    return load_any(folder / "sae")


def difference(dictionary, acts: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    data = ActivationSet.from_tensor(acts, acts.abs().sum(-1) != 0)
    codes = code_means(dictionary, data, 1, "cpu", torch.float32)
    positive = labels.numpy() == 1
    return mean_difference(codes.means, np.flatnonzero(positive), np.flatnonzero(~positive))


@pytest.mark.parametrize("name", CLASSES)
def test_effects_and_chosen_latents_are_sae_benchs(name, tensors, dictionary):
    gains = probe_gains(dictionary, tensors[f"{name}/weights"][None].numpy())[:, 0]
    effects = np.maximum(difference(dictionary, tensors[f"{name}/train"], tensors[f"{name}/labels"]), 0) * gains
    assert effects == pytest.approx(tensors[f"{name}/effects"].numpy(), rel=1e-4, abs=1e-6)
    order = strongest(effects, 500)
    # Beyond the latents with an effect above zero sae-bench takes others of effect zero, as its sort happens to give.
    assert 5 <= len(order) < len(effects)
    for n in (size for size in SIZES if size <= len(order)):
        assert set(order[:n].tolist()) == set(tensors[f"{name}/chosen {n}"].nonzero()[:, 0].tolist())


def test_effects_of_two_labels_are_sae_benchs(tensors, dictionary):
    weights, acts = tensors["a/weights"][None].numpy(), tensors["a/train"]
    positive = acts[tensors["a/labels"] == 1]
    assert len(positive) == 12
    theirs = tensors["scr/effects"].numpy()
    gains = probe_gains(dictionary, weights)[:, 0]
    pools = {name: tensors[f"{name}/train"][tensors[f"{name}/labels"] == 1] for name in ("a", "b")}
    labels = torch.tensor([1] * len(pools["a"]) + [0] * len(pools["b"]))
    ours = np.abs(difference(dictionary, torch.cat([pools["a"], pools["b"]]), labels) * gains)
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", CLASSES)
def test_answers_of_probes_after_ablation_are_sae_benchs(name, tensors, dictionary):
    weights = np.stack([tensors[f"{one}/weights"].numpy() for one in CLASSES])
    biases = np.array([float(tensors[f"{one}/bias"]) for one in CLASSES])
    gains = probe_gains(dictionary, weights)
    order = strongest(tensors[f"{name}/effects"].double().numpy(), 500)
    for place, other in enumerate(CLASSES):
        data = ActivationSet.from_tensor(tensors["test"][place].contiguous())
        clean = activation_means(data, 1, "cpu") @ weights.T + biases
        codes = sparse.csc_array(code_means(dictionary, data, 1, "cpu", torch.float32).means)
        ours = clean - removed(codes, order, gains, SIZES)
        for n, scores in zip(SIZES, ours, strict=True):
            if n > len(order):
                continue
            theirs = tensors[f"{name}/ablated {n}/{other}"].double().numpy() @ weights.T + biases
            assert scores == pytest.approx(theirs, rel=1e-4, abs=1e-4)
            assert ((scores > 0) == (theirs > 0)).all()
            assert n < 10 or np.abs(scores - clean).max() > 0.01


def test_scores_of_the_same_accuracies_are_sae_benchs(folder):
    made = json.loads((folder / "scores.json").read_text())
    directions_seen = set()
    for (clean, *after), theirs in zip(made["accuracies"], made["scores"], strict=True):
        matrix = np.array(clean) - np.array(after)
        assert tpp(matrix) == pytest.approx(theirs["tpp"]["tpp_threshold_2_total_metric"])
        # 100 texts of which as many are answered rightly as the accuracies say.
        known = right(clean[0], clean[1])
        base = right(clean[2], after[0][0])
        freed = right(after[1][1], after[1][0])
        lower = int(base[1].mean() < base[0].mean())
        chosen = Directions(base.mean(1), known.mean(1), np.ones(2), np.eye(2)[lower])
        columns = item_columns(base, known, freed[None], freed[None], chosen)
        for key, gain, gap in (
            ("scr_dir1_threshold_2", "gain1", "gap1"),
            ("scr_dir2_threshold_2", "gain2", "gap2"),
            ("scr_metric_threshold_2", "gain", "gap"),
        ):
            if columns[gap].sum() > 1 and key in theirs["scr"]:
                directions_seen.add((key, lower))
                assert columns[gain].sum() / columns[gap].sum() == pytest.approx(theirs["scr"][key])
    assert len(directions_seen) >= 5


def right(*accuracies: float) -> np.ndarray:
    return np.stack([np.arange(100) < round(100 * accuracy) for accuracy in accuracies])
