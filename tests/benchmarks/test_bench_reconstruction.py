"""Scoring a panel with `reconstruction@1` against sae-lens's `run_evals`, on the same model and tokens.

The model is a randomly initialised Pythia-70m shape. Both sides start from token ids: ours harvests, fits nothing, and
scores 1, 2, 4 and 8 dictionaries of one site; theirs evaluates the same dictionaries one after the other with its
losses, KL, norms, sparsity, variance and densities.
"""

import os
import statistics
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import torch

from saebench.activations.store import ActivationStore
from saebench.baselines.controls import Identity
from saebench.bench import FileJournal
from saebench.data.packing import MASK_RULE, PackedRows
from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.contract import Dictionary
from saebench.dictionaries.foreign import to_sae_lens
from saebench.fakes import bench_of
from saebench.lm.fakes import tiny_tokenizer
from saebench.lm.model import LanguageModel
from saebench.progress import Silent
from saebench.tasks.reconstruction.task import Reconstruction

SITE, LAYER = "blocks.3.hook_resid_post", "gpt_neox.layers.3"
ROWS, CONTEXT, LATENTS, PANEL = 32, 128, 4096, 8
TURNS = 4


def pythia() -> LanguageModel:
    from transformers import AutoModelForCausalLM, GPTNeoXConfig

    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=50_304,
        hidden_size=512,
        num_hidden_layers=6,
        num_attention_heads=8,
        intermediate_size=2048,
        max_position_embeddings=2048,
    )
    return LanguageModel(AutoModelForCausalLM.from_config(config), tiny_tokenizer(), name="random Pythia-70m")


def rows(n: int) -> PackedRows:
    tokens = torch.randint(10, 50_000, (n, CONTEXT), generator=torch.Generator().manual_seed(n)).numpy()
    tokens[:, 0] = 1
    mask = np.ones((n, CONTEXT), dtype=bool)
    mask[:, 0] = False
    names = tuple(f"document-{index}" for index in range(n))
    documents = np.repeat(np.arange(n, dtype=np.int32)[:, None], CONTEXT, axis=1)
    documents[:, 0] = -1
    return PackedRows(
        "random", "none", f"random-{n}", tokens.astype(np.int32), mask, documents, names, names, {}, MASK_RULE
    )


def dictionaries() -> list[SparseAutoencoder]:
    made = []
    for seed in range(PANEL):
        sae = SparseAutoencoder(ARCHITECTURES.get("topk")(k=32), 512, LATENTS, sites=(SITE,))
        generator = torch.Generator().manual_seed(seed)
        sae.initialise(generator, torch.randn(512, 512, generator=generator))
        made.append(sae.fold())
    return made


def score(lm: LanguageModel, packed: PackedRows, panel: list[Dictionary], folder: Path, rows_per_block: int = 4):
    """What a run does with a group, from token ids to item scores."""
    store = ActivationStore(folder)
    sets = store.sets(lm, packed, [SITE], store_dtype=torch.float32, batch_rows=16, progress=Silent())
    subjects = [
        SimpleNamespace(fingerprint=str(place), site=SITE, spec=str(place), dictionary=lambda one=one: one)
        for place, one in enumerate(panel)
    ]
    journal = FileJournal(folder / "journal.npz")
    bench = bench_of(lm, rows_per_block=rows_per_block, journal=journal, source=lambda request: sets[SITE])
    return Reconstruction().run(subjects, bench)


def sae_lens_scores(lm: LanguageModel, packed: PackedRows, saes: list) -> None:
    from sae_lens.evals import get_eval_everything_config, run_evals
    from sae_lens.load_model import HookedProxyLM
    from sae_lens.training.activation_scaler import ActivationScaler

    batch = 16
    model = HookedProxyLM(lm.hf, lm.tokenizer, hook_names=[LAYER])
    tokens = torch.from_numpy(packed.tokens.astype(np.int64))
    for sae in saes:
        sae.cfg.metadata.hook_name = LAYER
        stream = iter([*tokens.split(batch), *tokens.split(batch)])
        store = SimpleNamespace(
            store_batch_size_prompts=batch,
            context_size=CONTEXT,
            reset_input_dataset=lambda: None,
            get_batch_tokens=lambda n, stream=stream: next(stream),
        )
        config = get_eval_everything_config(
            batch_size_prompts=batch,
            n_eval_reconstruction_batches=len(tokens) // batch,
            n_eval_sparsity_variance_batches=len(tokens) // batch,
        )
        with torch.no_grad():
            run_evals(sae, store, model, ActivationScaler(), config, exclude_special_tokens=[1])


def seconds(work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def test_a_panel_against_sae_lens(benchmark, tmp_path):
    from sae_lens import SAE

    torch.set_num_threads(2)
    lm, packed, panel = pythia(), rows(ROWS), dictionaries()
    saes = []
    for place, one in enumerate(panel):
        to_sae_lens(one, tmp_path / f"sae{place}")
        saes.append(SAE.load_from_disk(str(tmp_path / f"sae{place}")))
    times: dict[int, list[float]] = {count: [] for count in (1, 2, 4, 8)}
    theirs: list[float] = []

    def measure() -> None:
        # In turns, so that a machine whose speed drifts is equally kind to both sides.
        for turn in range(TURNS):
            for count, taken in times.items():
                folder = tmp_path / f"ours{count}-{turn}"
                taken.append(seconds(lambda count=count, folder=folder: score(lm, packed, panel[:count], folder)))
            for one in saes[turn::TURNS]:
                theirs.append(seconds(lambda one=one: sae_lens_scores(lm, packed, [one])))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    torch.set_num_threads(1)
    growth = {count: statistics.median(taken) for count, taken in times.items()}
    ratio = PANEL * statistics.median(theirs) / growth[PANEL]
    relative = {count: round(growth[count] / growth[1], 2) for count in (1, 2, 4, 8)}
    benchmark.extra_info.update(ratio=ratio, growth=relative)
    sys.stdout.write(
        f"\npanel of {PANEL}, {ROWS * CONTEXT} tokens: {ratio:.2f} times as fast as run_evals (goal 5); "
        f"cost of 1, 2, 4, 8 dictionaries as multiples of one: {list(relative.values())}\n"
    )


class Peak:
    """The largest anonymous memory of this process while inside, above what it was on entry; bytes."""

    def __enter__(self) -> "Peak":
        self._over = threading.Event()
        self._start = self.anonymous()
        self.bytes = 0
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *ignored: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.bytes = max(self.bytes, self.anonymous() - self._start)

    @staticmethod
    def anonymous() -> int:
        info = psutil.Process(os.getpid()).memory_info()
        return info.rss - info.shared


def test_peak_memory_does_not_grow_with_tokens(benchmark, tmp_path):
    """Anonymous memory of a run above libraries and model; goal 1.5 GB whatever the number of tokens."""
    torch.set_num_threads(2)
    lm, panel = pythia(), [*dictionaries()[:2], Identity(512)]
    peaks = {}

    def measure() -> None:
        for count in (16, 64, 128):
            with Peak() as peak:
                score(lm, rows(count), panel, tmp_path / f"rows{count}")
            peaks[count * CONTEXT] = peak.bytes / 1e6

    benchmark.pedantic(measure, rounds=1, iterations=1)
    torch.set_num_threads(1)
    benchmark.extra_info.update(megabytes={str(tokens): round(size) for tokens, size in peaks.items()})
    shown = ", ".join(f"{size:.0f} MB for {tokens} tokens" for tokens, size in peaks.items())
    sys.stdout.write(f"\npeak anonymous memory above libraries and model: {shown} (goal 1500 MB)\n")
