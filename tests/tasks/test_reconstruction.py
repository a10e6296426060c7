"""Truths about `reconstruction@1` on a tiny random model, against independent computations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from saebench.activations.sets import ActivationSet
from saebench.baselines.controls import Identity, MeanOnly
from saebench.bench import FileJournal
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fakes import RandomLinear
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.tasks.reconstruction import clean as clean_module
from saebench.tasks.reconstruction.clean import Clean, Counted
from saebench.tasks.reconstruction.latents import CHUNK, max_cosines
from saebench.tasks.reconstruction.task import Reconstruction
from saebench.tasks.summary import summarise

SITE = "blocks.1.hook_resid_post"
ROWS, CONTEXT = 22, 12


class Zero(Identity):
    """Gives back nothing."""

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return torch.zeros_like(codes.dense())


@pytest.fixture(scope="module")
def lm():
    return tiny_model("llama", n_layers=3, d_model=16)


@pytest.fixture(scope="module")
def data(lm) -> ActivationSet:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 60, (ROWS, CONTEXT), generator=generator)
    mask = torch.ones(ROWS, CONTEXT, dtype=torch.bool)
    mask[:, 0] = False
    mask[3, 7:] = False
    mask[5, 4] = False
    documents = torch.arange(ROWS)[:, None].expand(ROWS, CONTEXT) // 2
    made = ActivationSet.from_tensor(lm.capture(tokens, [SITE])[SITE], mask, documents, site=SITE)
    made.rows.tokens[:] = tokens.numpy()
    return made


def score(lm, data, dictionaries: dict[str, Any], rows_per_block: int = 4, journal: Any = None):
    bench = bench_of(lm, rows_per_block=rows_per_block, journal=journal, source=lambda request: data)
    subjects = [FakeSubject(made, name) for name, made in dictionaries.items()]
    return Reconstruction().run(subjects, bench), bench


def values(scores) -> dict[str, float | None]:
    return {name: metric.value for name, metric in summarise(Reconstruction.card, scores).items()}


def test_identity_recovers_everything_exactly(lm, data):
    scores, _ = score(lm, data, {"identity": Identity(16)})
    made = values(scores["identity"])
    assert made["loss_recovered"] == 1.0
    assert made["kl"] == 0.0
    assert made["fvu"] == 0.0
    assert made["explained_variance"] == 1.0
    assert made["ce_spliced"] == made["ce_clean"]
    assert made["legacy_ce_loss_score"] == 1.0


def test_the_mean_explains_no_variance_and_equals_mean_ablation(lm, data):
    scores, _ = score(lm, data, {"mean": MeanOnly(data.mean())})
    made = values(scores["mean"])
    assert made["explained_variance"] == pytest.approx(0.0, abs=1e-6)
    assert made["fvu"] == pytest.approx(1.0, abs=1e-6)
    assert made["ce_spliced"] == made["ce_mean"]
    assert made["loss_recovered_mean"] == 0.0
    assert made["l0"] == 0.0


def test_giving_back_nothing_recovers_nothing(lm, data):
    scores, _ = score(lm, data, {"zero": Zero(16)})
    made = values(scores["zero"])
    assert made["loss_recovered"] == 0.0
    assert made["kl_recovered"] == 0.0
    assert made["cosine"] == 0.0


def test_losses_equal_a_full_pass_with_the_site_replaced(lm, data):
    """The whole model, run from the tokens with a hook that encodes and decodes unmasked positions."""
    dictionary = RandomLinear.draw(16, 64, seed=1)
    scores, _ = score(lm, data, {"random": dictionary})
    tokens = torch.from_numpy(data.tokens.astype(np.int64))
    mask = torch.from_numpy(np.array(data.mask))

    def replace(x: torch.Tensor) -> torch.Tensor:
        new = x.clone()
        new[mask] = dictionary.decode(dictionary.encode(x[mask]))
        return new

    with torch.no_grad():
        clean = lm.logits(tokens)
        with lm.spliced(SITE, replace):
            spliced = lm.logits(tokens)
    counted = mask[:, :-1] & mask[:, 1:]
    targets = tokens[:, 1:][counted]
    logp, logq = clean[:, :-1][counted].log_softmax(-1), spliced[:, :-1][counted].log_softmax(-1)
    made = values(scores["random"])
    assert made["ce_clean"] == pytest.approx(float(-logp.gather(1, targets[:, None]).mean()), rel=1e-5)
    assert made["ce_spliced"] == pytest.approx(float(-logq.gather(1, targets[:, None]).mean()), rel=1e-5)
    kl = torch.nn.functional.kl_div(logq, logp, log_target=True, reduction="batchmean")
    assert made["kl"] == pytest.approx(float(kl), rel=1e-4)


def test_activation_metrics_equal_their_formulas(lm, data):
    dictionary = RandomLinear.draw(16, 64, seed=1)
    scores, _ = score(lm, data, {"random": dictionary})
    x = data.block(0, ROWS)[torch.from_numpy(np.array(data.mask))].double()
    codes = dictionary.encode(x.float()).dense().double()
    y = dictionary.decode(DenseCodes(codes.float())).double()
    made = values(scores["random"])
    total = (x - x.mean(0)).square().sum()
    assert made["fvu"] == pytest.approx(float((x - y).square().sum() / total), rel=1e-6)
    assert made["l0"] == pytest.approx(float((codes != 0).double().sum(1).mean()))
    assert made["l1"] == pytest.approx(float(codes.abs().sum(1).mean()), rel=1e-6)
    assert made["reconstruction_bias"] == pytest.approx(float(y.square().sum() / (x * y).sum()), rel=1e-6)
    assert made["dead_fraction"] == pytest.approx(float((codes != 0).any(0).logical_not().double().mean()))
    density = (codes != 0).double().mean(0)
    assert made["dense_10pct"] == pytest.approx(float((density > 0.1).double().mean()))


def test_a_latent_that_fires_once_is_not_dead(lm, data):
    dictionary = RandomLinear.draw(16, 64, offset=6.0, seed=1)
    x = data.block(0, ROWS)[torch.from_numpy(np.array(data.mask))]
    counts = (dictionary.encode(x).dense() != 0).sum(0)
    assert (counts == 1).any()
    made = values(score(lm, data, {"rare": dictionary})[0]["rare"])
    assert made["dead_fraction"] == pytest.approx(float((counts == 0).double().mean()))


def test_legacy_metrics_equal_sae_bench_formulas(lm, data):
    """Batches of 16 rows, as published: EV by token about the batch mean, MSE over the tokens of the batch."""
    dictionary = RandomLinear.draw(16, 64, seed=1)
    scores, _ = score(lm, data, {"random": dictionary})
    made = values(scores["random"])
    evs, mses, squares, residuals = [], [], [], []
    for start in range(0, ROWS, 16):
        mask = torch.from_numpy(np.array(data.mask[start : start + 16]))
        x = data.block(start, min(start + 16, ROWS))[mask].double()
        y = dictionary.decode(dictionary.encode(x.float())).double()
        residual = (x - y).square().sum(1)
        evs.append(1 - residual / (x - x.mean(0)).square().sum(1))
        mses.append(residual / len(x))
        squares.append(x.square().sum(1))
        residuals.append(residual)
    assert made["legacy_explained_variance"] == pytest.approx(float(torch.cat(evs).mean()), rel=1e-6)
    assert made["legacy_mse"] == pytest.approx(float(torch.cat(mses).mean()), rel=1e-6)
    s = float(torch.cat(squares).mean())
    expected = 1 - float(torch.cat(residuals).mean()) / (s - (s / 16) ** 2)
    assert made["legacy_explained_variance_060"] == pytest.approx(expected, rel=1e-6)


def test_sae_bench_060_explained_variance_of_the_mean_is_near_one():
    """The published example: d=8, means 5..12, unit noise; true explained variance 0, theirs 1.0015."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 50, 8, generator=generator) + torch.arange(5.0, 13.0)
    model = SimpleNamespace(
        device=torch.device("cpu"),
        dtype=torch.float32,
        entry_site=lambda site: None,
        resume=lambda site, acts, tokens, entry=None: acts,
    )
    made = ActivationSet.from_tensor(x)
    scores, _ = score(model, made, {"mean": MeanOnly(made.mean())})
    table = values(scores["mean"])
    assert table["legacy_explained_variance_060"] == pytest.approx(1.0015, abs=2e-4)
    assert table["explained_variance"] == pytest.approx(0.0, abs=1e-6)


def test_block_size_changes_nothing_beyond_rounding(lm, data):
    dictionary = RandomLinear.draw(16, 64, seed=1)
    reference = values(score(lm, data, {"a": dictionary}, rows_per_block=4)[0]["a"])
    for rows in (1, 7, ROWS):
        other = values(score(lm, data, {"a": dictionary}, rows_per_block=rows)[0]["a"])
        for name, value in reference.items():
            assert other[name] == pytest.approx(value, rel=1e-5, abs=1e-9), (rows, name)


def test_company_and_order_change_nothing(lm, data):
    first, second = RandomLinear.draw(16, 64, seed=1), RandomLinear.draw(16, 32, seed=2)
    alone = score(lm, data, {"a": first})[0]["a"]
    together = score(lm, data, {"b": second, "a": first})[0]["a"]
    for name, column in alone.tables["documents"].columns.items():
        assert np.array_equal(column, together.tables["documents"].columns[name]), name


class Killed(BaseException):
    pass


@contextmanager
def killed_after(lm, calls: int) -> Iterator[None]:
    """Stop like a signal after so many continuations of the model."""
    real: Callable[..., Any] = lm.resume
    left = [calls]

    def resume(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return real(*args, **kwargs)

    lm.resume = resume
    try:
        yield
    finally:
        del lm.resume


@dataclass
class Counting:
    inner: FileJournal
    saved: list[int] = field(default_factory=list)

    def load(self):
        return self.inner.load()

    def save(self, blocks_done: int, arrays: Any) -> None:
        self.saved.append(blocks_done)
        self.inner.save(blocks_done, arrays)


def test_a_killed_run_goes_on_bit_equal_and_redoes_no_finished_block(lm, data, tmp_path):
    made = {"a": RandomLinear.draw(16, 64, seed=1), "b": RandomLinear.draw(16, 32, seed=2)}
    whole = score(lm, data, made)[0]
    path = tmp_path / "journal.npz"
    with pytest.raises(Killed), killed_after(lm, 15):
        score(lm, data, made, journal=FileJournal(path))
    journal = Counting(FileJournal(path))
    again = score(lm, data, made, journal=journal)[0]
    assert journal.saved == [3, 4, 5, 6]
    for name in made:
        for table in ("documents", "latents"):
            for column, numbers in whole[name].tables[table].columns.items():
                assert np.array_equal(numbers, again[name].tables[table].columns[column]), (name, column)


def test_a_damaged_journal_means_a_fresh_start(lm, data, tmp_path):
    path = tmp_path / "journal.npz"
    path.write_bytes(b"PK\x03\x04 half a file")
    scores, _ = score(lm, data, {"identity": Identity(16)}, journal=FileJournal(path))
    assert values(scores["identity"])["loss_recovered"] == 1.0


class Exploding(Identity):
    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.dense() / 0.0


def test_a_subject_that_fails_leaves_the_others_alone(lm, data):
    subjects: dict[str, Any] = {"bad": Exploding(16), "worse": ValueError("boom"), "good": Identity(16)}
    scores, bench = score(lm, data, subjects)
    assert list(scores) == ["good"]
    assert "NaN" in bench.failures["bad"].message
    assert "boom" in bench.failures["worse"].message


def test_nothing_is_walked_for_subjects_that_all_failed(lm, data):
    with killed_after(lm, 0):
        scores, bench = score(lm, data, {"worse": ValueError("boom")})
    assert scores == {}
    assert "boom" in bench.failures["worse"].message


class Running(Identity):
    """Reads whole rows: every token becomes the mean of the unmasked ones up to it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.traits = Traits(signed=True, sequence_coupled=True)

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        assert context is not None
        seen = context.mask.unsqueeze(2).to(x.dtype)
        return DenseCodes(((x * seen).cumsum(1) / seen.cumsum(1).clamp(min=1)).flatten(0, 1))


def test_a_dictionary_that_reads_sequences_is_scored_on_unmasked_tokens_alone(lm, data):
    scores, bench = score(lm, data, {"running": Running(16)})
    assert not bench.failures
    x, mask = data.block(0, ROWS).double(), torch.from_numpy(np.array(data.mask))
    wanted = torch.stack(
        [x[row, : place + 1][mask[row, : place + 1]].mean(0) for row, place in mask.nonzero().tolist()]
    )
    real = x[mask]
    fvu = (real - wanted).square().sum() / (real - real.mean(0)).square().sum()
    assert values(scores["running"])["fvu"] == pytest.approx(float(fvu), rel=1e-6)


def test_max_cosines_on_known_directions():
    rows = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    assert max_cosines(rows).tolist() == pytest.approx([1.0, 1.0, 0.0, 0.0])


def test_max_cosines_of_many_directions_equal_the_whole_matrix():
    rows = torch.randn(2 * CHUNK + 1, 6, generator=torch.Generator().manual_seed(0))
    unit = torch.nn.functional.normalize(rows.double(), dim=1)
    cosines = (unit @ unit.T).fill_diagonal_(-2)
    torch.testing.assert_close(max_cosines(rows).double(), cosines.amax(1), atol=1e-6, rtol=0)


def continuations(moved: float, offset: float) -> tuple[torch.Tensor, torch.Tensor, Counted]:
    """Clean and other logits `[3, 5, 800]` that hardly differ but for a constant, and a few positions of them."""
    generator = torch.Generator().manual_seed(0)
    clean = 3 * torch.randn(3, 5, 800, generator=generator) + offset
    other = clean + moved * torch.randn(3, 5, 800, generator=generator) + offset / 10
    return clean, other, Counted(torch.tensor([0, 3, 4, 9, 14]), torch.tensor([7, 0, 799, 3, 3]))


@pytest.mark.parametrize("cached", [1, 2000, 10**9])
@pytest.mark.parametrize("offset", [0.0, -600.0])
def test_a_small_divergence_is_accurate_whatever_is_added_to_the_logits(monkeypatch, cached, offset):
    monkeypatch.setattr(clean_module, "CACHED", cached)
    clean, other, counted = continuations(moved=3e-3, offset=offset)
    log_p, log_q = (z.double().flatten(0, 1)[counted.positions].log_softmax(1) for z in (clean, other))
    wanted = (log_p.exp() * (log_p - log_q)).sum(1).numpy()
    assert wanted.max() < 1e-5
    made = Clean.of(clean, counted)
    losses, divergences = made.against(other)
    assert divergences == pytest.approx(wanted, abs=5e-7)
    for z, given in ((log_p, made.losses), (log_q, losses)):
        assert given == pytest.approx(-z.gather(1, counted.targets[:, None])[:, 0].numpy(), rel=1e-5)
    assert np.array_equal(losses, counted.losses(other))
    losses, divergences = made.against(clean.clone())
    assert np.array_equal(losses, made.losses)
    assert not divergences.any()


def test_a_divergence_survives_probabilities_that_underflow():
    clean, _, counted = continuations(moved=0, offset=0)
    _, divergences = Clean.of(300 * clean, counted).against(-300 * clean)
    assert np.isfinite(divergences).all()
    assert (divergences > 100).all()


def test_a_block_in_which_nothing_is_unmasked_adds_nothing(lm, data):
    tokens, mask = torch.from_numpy(data.tokens.astype(np.int64)), torch.from_numpy(np.array(data.mask))
    made = {}
    for name, more in (("without", 0), ("with", 4)):
        rows = torch.cat([tokens, tokens[:more]])
        seen = torch.cat([mask, torch.zeros(more, CONTEXT, dtype=torch.bool)])
        documents = torch.arange(ROWS + more)[:, None].expand(-1, CONTEXT) // 2
        longer = ActivationSet.from_tensor(lm.capture(rows, [SITE])[SITE], seen, documents, site=SITE)
        longer.rows.tokens[:] = rows.numpy()
        scores, bench = score(lm, longer, {"a": RandomLinear.draw(16, 64, seed=1)}, rows_per_block=2)
        assert not bench.failures
        made[name] = values(scores["a"])
    assert made["with"] == pytest.approx(made["without"], rel=1e-6)


def test_documents_are_the_clusters(lm, data):
    scores, _ = score(lm, data, {"identity": Identity(16)})
    table = scores["identity"].tables["documents"]
    assert len(table.items) == 11
    assert table.columns["tokens"].sum() == data.n_tokens


def test_legacy_zero_ablation_equals_a_full_pass_with_zeros_everywhere(lm, data):
    made = values(score(lm, data, {"zero": Zero(16)})[0]["zero"])
    tokens, mask = torch.from_numpy(data.tokens.astype(np.int64)), torch.from_numpy(np.array(data.mask))

    def loss(logits: torch.Tensor) -> torch.Tensor:
        each = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
        )
        return each.view(ROWS, CONTEXT - 1)[mask[:, :-1]].mean()

    with torch.no_grad():
        clean = loss(lm.logits(tokens))
        with lm.spliced(SITE, torch.zeros_like):
            everywhere = loss(lm.logits(tokens))
        with lm.spliced(SITE, lambda x: torch.where(mask[..., None], 0.0, x)):
            unmasked = loss(lm.logits(tokens))
    expected = (everywhere - unmasked) / (everywhere - clean)
    assert made["legacy_ce_loss_score"] == pytest.approx(float(expected), rel=1e-4, abs=1e-5)
