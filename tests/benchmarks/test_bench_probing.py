"""`sparse_probing@1` against sae-probes on 20 of its data sets: one dictionary of 4096 latents, k in 1, 2, 5, 10.

Both sides start from the same activations on disk, drawn here, and from one SAE. Mode `sae_probes` fits the same probes
with the same solver to the same tolerance on the same rows. The default protocol is timed beside it with as many
training rows; it has fewer test rows, as it tests no prompt twice and at most 30 % of a class. Needs sae_probes
importable: PYTHONPATH with the folder that tests/parity/prepare.py installed it into.
"""

import importlib
import json
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from saebench.data.texts import Document
from saebench.dictionaries.foreign import load_any
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.tasks.sparse_probing import compat, probes
from saebench.tasks.sparse_probing import task as task_module
from saebench.tasks.sparse_probing.compat_data import raw_rows
from saebench.tasks.sparse_probing.params import ProbingParams
from saebench.tasks.sparse_probing.task import SparseProbing, baselines_of

SITE, MODEL, D, LATENTS, SETS = "blocks.1.hook_resid_post", "drawn", 576, 4096, 20
KS = {"1": 1, "2": 2, "5": 5, "10": 10}


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", types.ModuleType("xgboost"))
    pytest.importorskip("sae_probes", reason="sae-probes is installed by tests/parity/prepare.py")
    return importlib.import_module("sae_probes.run_sae_evals")


def draw(folder: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Activations of every row, in the package's cache and by prompt hash; equal prompts have equal vectors."""
    folder.mkdir(parents=True)
    vectors = {}
    for number, name in enumerate(names):
        prompts, targets = raw_rows(name)
        y = compat.encoded_labels(targets)
        generator = np.random.default_rng(number)
        signal, made = generator.normal(size=D), {}
        for prompt, label in zip(prompts, y, strict=True):
            key = Document("", prompt).hash
            if key not in made:
                made[key] = (3 * generator.normal(size=D) + label * signal).astype(np.float32)
        torch.save(
            torch.from_numpy(np.stack([made[Document("", prompt).hash] for prompt in prompts])),
            folder / f"{name}_{SITE}.pt",
        )
        vectors[name] = made
    return vectors


def make_sae(folder: Path):
    from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig

    sae = TopKSAE(TopKSAEConfig(d_in=D, d_sae=LATENTS, k=32))
    atoms = torch.randn(LATENTS, D, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        sae.W_dec.copy_(atoms / atoms.norm(dim=1, keepdim=True))
        sae.W_enc.copy_(sae.W_dec.T)
    sae.save_model(folder)
    return sae


def worthless(probed, names: tuple[str, ...]) -> list[dict[str, probes.Outcome]]:
    """In place of probes of raw activations, which all subjects of a site share and the package's figure is without."""
    return [dict.fromkeys(names, probes.Outcome(0.5, 0.5, 0.5, 0.5, 1.0)) for _ in probed.questions]


def test_twenty_sets_against_sae_probes(benchmark, package, tmp_path, monkeypatch):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    names = [name for name in package.DATASETS if not name.startswith(("158", "159", "160"))][:SETS]
    vectors = draw(tmp_path / "cache" / f"model_activations_{MODEL}", names)
    sae, ours = make_sae(tmp_path / "sae"), load_any(tmp_path / "sae")
    for module in (compat, probes, task_module):
        monkeypatch.setattr(module, "KS", KS)
    for module in (compat, task_module):
        monkeypatch.setattr(module, "COMPAT_KS", tuple(KS))
    monkeypatch.setattr(
        task_module, "raw_outcomes", lambda bench, probed, site: worthless(probed, baselines_of(bench.params))
    )
    lm = tiny_model()
    lm.tokenizer.unk_token = None
    spent: dict[str, tuple[float, float]] = {}
    found: dict[str, np.ndarray] = {}

    def timed(name: str, work) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        found[name] = work()
        spent[name] = time.perf_counter() - wall, time.process_time() - cpu

    def prepared(mode: str):
        params = ProbingParams(datasets=tuple(names), mode=mode, train_rows=1024, test_rows=4000)
        bench, task = bench_of(lm, params), SparseProbing()
        bench.last_tokens = lambda rows, site: np.stack([vectors[rows.name][key] for key in rows.document_ids])
        task.sets(params, lm, 0)

        def work() -> np.ndarray:
            scores = task.run([FakeSubject(ours, "sae")], bench)["sae"]
            return np.stack([scores.tables["questions"].columns[f"auc_k{k}"] for k in KS], axis=1)

        return work

    def theirs() -> np.ndarray:
        values = []
        for name in names:
            arguments = (sae, name, SITE, "l1", "normal", MODEL, tmp_path / "cache")
            package.run_sae_eval(*arguments, device="cpu", ks=list(KS.values()), results_path=tmp_path / "results")
            file = package.get_save_metrics_path(name, SITE, "l1", MODEL, tmp_path / "results")
            values.append([one["test_auc"] for one in json.loads(file.read_text())])
        return np.array(values)

    works = {"package": theirs, "sae_probes": prepared("sae_probes"), "saebench": prepared("saebench")}

    def measure() -> None:
        for name, work in works.items():
            timed(name, work)

    benchmark.pedantic(measure, rounds=1, iterations=1)
    lines = []
    for mode in ("sae_probes", "saebench"):
        ratios = [a / b for a, b in zip(spent["package"], spent[mode], strict=True)]
        gap = np.abs(found[mode] - found["package"])
        by_set = (found[mode] - found["package"]).mean(axis=1)
        mean, half = by_set.mean(), float(stats.t.ppf(0.975, SETS - 1)) * by_set.std(ddof=1) / np.sqrt(SETS)
        benchmark.extra_info[mode] = {"wall": ratios[0], "cpu": ratios[1], "largest_gap": float(gap.max())}
        lines.append(
            f"mode {mode}: {ratios[0]:.2f} times as fast (processor time {ratios[1]:.2f}), "
            f"largest difference in AUC {gap.max():.1e}, mean over sets {mean:+.4f} "
            f"[{mean - half:+.4f}, {mean + half:+.4f}]"
        )
    sys.stdout.write(f"\n{SETS} sets, {LATENTS} latents, k of {list(KS.values())} (goal 3)\n" + "\n".join(lines) + "\n")
