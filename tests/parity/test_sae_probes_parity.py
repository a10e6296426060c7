"""Mode `sae_probes` of `sparse_probing@1` against sae-probes 0.4.2 on the same activations and SAE."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from saebench.data.texts import Document
from saebench.dictionaries.foreign import load_any
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.tasks.sparse_probing.compat import compat_latent_probes, encoded_labels
from saebench.tasks.sparse_probing.compat_data import raw_rows
from saebench.tasks.sparse_probing.params import ProbingParams
from saebench.tasks.sparse_probing.probes import Asked
from saebench.tasks.sparse_probing.task import SparseProbing

pytestmark = pytest.mark.parity

SETS = ("5_hist_fig_ismale", "66_living-room", "96_spam_is", "130_temp_cat_Frequency")
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def expected(peers: Path) -> dict:
    return json.loads((peers / "sae_probes" / "expected.json").read_text())


@pytest.fixture(scope="module", params=["plain", "binary"])
def scored(request: pytest.FixtureRequest, peers: Path):
    """Kind of codes, and our scores: the task as a whole, with the model's activations replaced by the drawn ones."""
    folder = peers / "sae_probes"
    drawn = load_file(folder / "activations.safetensors")
    params = ProbingParams(datasets=SETS, mode="sae_probes", context=256, binarise=request.param == "binary")
    lm = tiny_model()
    # Names in other scripts are nothing but unknown letters to this tokenizer: they count here.
    lm.tokenizer.unk_token = None
    bench, task = bench_of(lm, params), SparseProbing()
    vectors = {name: vectors_of_prompts(name, drawn[name]) for name in SETS}
    bench.last_tokens = lambda rows, site: np.stack([next(vectors[rows.name][key]) for key in rows.document_ids])
    scores = task.run([FakeSubject(load_any(folder / "sae"), "sae")], bench)
    assert not bench.failures
    return request.param, scores["sae"]


def vectors_of_prompts(name: str, drawn: np.ndarray) -> dict[str, Iterator[np.ndarray]]:
    """By content hash, the vectors of the prompts that have it (they may differ in white space), over and over."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for row, prompt in enumerate(raw_rows(name)[0]):
        found.setdefault(Document("", prompt).hash, {}).setdefault(prompt, drawn[row])
    return {key: itertools.cycle(each.values()) for key, each in found.items()}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", ["plain", "binary"])
def test_scores_of_the_same_codes_are_the_packages(peers, expected, name, kind):
    codes = load_file(peers / "sae_probes" / "codes.safetensors")
    fitted, held, y, z = (codes[f"{name}/{part}"] for part in ("X_train", "X_test", "y_train", "y_test"))
    asked = Asked(np.arange(len(y)), y, len(y) + np.arange(len(z)), z)
    ours = compat_latent_probes(np.concatenate([fitted, held]).astype(np.float64), asked, 0, kind == "binary")
    assert len(expected[name][kind]) == 6
    for theirs in expected[name][kind]:
        made = ours[str(theirs["k"])]
        for value, key in (
            (made.auc, "test_auc"),
            (made.accuracy, "test_acc"),
            (made.f1, "test_f1"),
            (made.validation, "val_auc"),
        ):
            assert value == pytest.approx(theirs[key], abs=TOLERANCE), (theirs["k"], key)


@pytest.mark.parametrize("name", SETS)
def test_scores_of_the_whole_task_are_the_packages(scored, expected, name):
    """From activations and SAE on: sums in another order move codes by a rounding, which unfinished fits carry on."""
    kind, scores = scored
    table = scores.tables["questions"]
    for theirs in expected[name][kind]:
        value = table.columns[f"auc_k{theirs['k']}"][table.items.index(name)]
        assert value == pytest.approx(theirs["test_auc"], abs=TOLERANCE if theirs["k"] <= 2 else 1e-4), theirs["k"]


@pytest.mark.parametrize("name", SETS)
def test_the_raw_baseline_is_the_packages(scored, expected, name):
    _, scores = scored
    table = scores.tables["questions"]
    value = table.columns["auc_logreg"][table.items.index(name)]
    assert value == pytest.approx(expected[name]["raw"]["test_auc"], abs=TOLERANCE)


def test_repeated_prompts_leak_as_they_do_there(scored):
    _, scores = scored
    leaks = {name: about["test_rows_that_are_trained_on"] for name, about in scores.details["sets"].items()}
    assert min(leaks.values()) > 0
    assert scores.details["leak"] == "repeated prompts train and test"


def test_labels_of_all_files_are_the_packages(peers: Path):
    theirs = json.loads((peers / "sae_probes" / "labels.json").read_text())
    assert len(theirs) == 113
    for name, labels in theirs.items():
        assert np.array_equal(encoded_labels(raw_rows(name)[1]), labels), name
