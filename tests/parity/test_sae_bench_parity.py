"""`reconstruction@1` against sae-bench 0.6.0 on one SAE, model and set of tokens (see make_sae_bench.py)."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from saebench.activations.sets import ActivationSet
from saebench.bench import FileJournal
from saebench.dictionaries.foreign import load_any
from saebench.fakes import bench_of
from saebench.lm.fakes import tiny_model
from saebench.tasks.reconstruction.task import Reconstruction
from saebench.tasks.summary import summarise

pytestmark = pytest.mark.parity

SITE = "blocks.1.hook_resid_post"


@pytest.fixture(scope="module")
def scored(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, float], dict[str, float]]:
    """Our metrics, and theirs."""
    folder = peers / "sae_bench"
    rows = load_file(folder / "rows.safetensors")
    lm = tiny_model("llama", n_layers=3, d_model=16)
    documents = torch.arange(len(rows["tokens"]))[:, None].expand(rows["tokens"].shape)
    data = ActivationSet.from_tensor(lm.capture(rows["tokens"], [SITE])[SITE], rows["mask"], documents, site=SITE)
    data.rows.tokens[:] = rows["tokens"].numpy()
    journal = FileJournal(tmp_path_factory.mktemp("journal") / "journal.npz")
    bench = bench_of(lm, rows_per_block=8, journal=journal, source=lambda request: data)
    dictionary = load_any(folder / "sae")
    subject = SimpleNamespace(
        spec="sae",
        name="sae",
        kind="dictionary",
        role=None,
        site=SITE,
        fingerprint="sae",
        dictionary=lambda: dictionary,
    )
    scores = Reconstruction().run([subject], bench)
    assert not bench.failures
    ours = {name: metric.value for name, metric in summarise(Reconstruction.card, scores["sae"]).items()}
    return ours, json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("l0", "l0"),
        ("cosine", "cossim"),
        ("l2_ratio", "l2_ratio"),
        ("reconstruction_bias", "relative_reconstruction_bias_of_one_batch"),
        ("legacy_explained_variance", "explained_variance_legacy"),
        ("legacy_explained_variance_060", "explained_variance"),
        ("legacy_mse", "mse"),
        ("legacy_l1", "l1"),
        ("legacy_ce_loss_score", "ce_loss_score"),
    ],
)
def test_a_metric_is_sae_benchs(ours: str, theirs: str, scored: tuple[dict[str, float], dict[str, float]]) -> None:
    mine, other = scored
    assert mine[ours] == pytest.approx(other[theirs], rel=1e-4)


def test_densities_are_sae_benchs(scored: tuple[dict[str, float], dict[str, float]]) -> None:
    mine, other = scored
    density = np.array(other["feature_density"])
    assert 0 < (density == 0).mean() < 1
    assert mine["dead_fraction"] == (density == 0).mean()
    assert mine["dense_1pct"] == (density > 0.01).mean()
    assert mine["dense_10pct"] == (density > 0.1).mean()


def test_the_corrected_explained_variance_is_not_theirs(scored: tuple[dict[str, float], dict[str, float]]) -> None:
    """The reason for the legacy group: their 0.6.0 value is about zero instead of about the mean."""
    mine, other = scored
    assert abs(mine["explained_variance"] - other["explained_variance"]) > 1e-3
