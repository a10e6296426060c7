"""`reconstruction@1`, from top to bottom: data, protocol, item scores.

Data: documents of the suite's evaluation part, packed into rows, with the activations of the dictionary's site.
Protocol: walk the rows block by block. The clean, zero-ablated and mean-ablated continuations above the site are
computed once for the block; then each subject encodes, decodes and is spliced into the same block. Logits exist
for one block at a time. Item scores: sums over each document and each latent; metrics are ratios of those sums.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from saebench.activations.sets import ActivationSet
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Dictionary
from saebench.errors import DataError, SubjectFailed
from saebench.tasks.contract import Bench, ItemTable, Request, Scores, Subject, Task
from saebench.tasks.reconstruction.card import CARD, DOCUMENTS, LATENTS
from saebench.tasks.reconstruction.clean import Clean, Counted
from saebench.tasks.reconstruction.latents import max_cosines
from saebench.tasks.reconstruction.sums import Array, Sums

LEGACY_ROWS = 16
"""Rows in a batch of sae-bench's published settings; two of its metrics depend on it."""

SHARED = (
    "tokens",
    "predictions",
    "ce_clean",
    "ce_zero",
    "ce_mean",
    "kl_zero",
    "sst",
    "legacy_variance_060",
    "legacy_ce_clean",
    "legacy_ce_zero",
)
"""Document columns that are the same for every subject of a group."""

OWN = (
    "ce_spliced",
    "kl",
    "sse",
    "ssr",
    "dot",
    "cosine",
    "l2_ratio",
    "l0",
    "l1",
    "legacy_explained_variance",
    "legacy_mse",
    "legacy_l1",
    "legacy_ce_spliced",
)
"""Document columns of one subject."""

HISTOGRAM = np.linspace(-6.0, 0.0, 25)
"""Edges of the density histogram: log10 of the share of tokens on which a latent is active; the first bin holds all
that is rarer as well."""


@dataclass(frozen=True)
class Statistics:
    """What one streamed pass over the activations gives before any subject is scored."""

    mean: Tensor
    """`[d]` float64, over unmasked tokens."""
    variance_060: float
    """sae-bench 0.6.0's stand-in for the total variance."""
    batch_means: Tensor
    """`[batches, d]` float64: mean of each batch of 16 rows."""
    batch_tokens: Array
    """`[batches]`: unmasked tokens of each batch of 16 rows."""


@dataclass(frozen=True)
class Block:
    """A run of rows with everything that all subjects share."""

    tokens: Tensor
    x: Tensor
    """Activations of the site, `[rows, context, d]`, compute dtype."""
    entry: Tensor | None
    mask: Tensor
    """`[rows, context]` bool."""
    documents: Array
    """Document of each unmasked token, `[n]`."""
    wide: Tensor
    """The unmasked activations in float64, `[n, d]`."""
    norm: Tensor
    """Their lengths, `[n]` float64."""
    spread: Tensor
    """Their squared distances from the mean of their batch of 16 rows, `[n]` float64."""
    batch_tokens: Array
    """Unmasked tokens of the batch of 16 rows of each of them, `[n]`."""
    counted: Counted
    """Positions whose own token is unmasked: all whose loss some metric counts."""
    legacy_predicted: Array
    """Document of each of their losses."""
    predicts: Array
    """Which of them have an unmasked next token, bool: the others count for legacy metrics alone."""
    predicted: Array
    """Document of each loss in `predicts`."""


class Reconstruction(Task):
    """Scores a dictionary by what its reconstruction keeps. Metrics: `card.METRICS`."""

    card = CARD

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return (Request(subject.site),)

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Walk the evaluation rows once for all subjects.

        Raises:
            DataError: the evaluation rows hold no unmasked token or no counted loss.
        """
        site = subjects[0].site
        data = bench.activations(Request(site))
        entry_site = bench.lm.entry_site(site)
        entries = bench.activations(Request(entry_site)) if entry_site else None
        statistics = measure(data, bench.rows_per_block)

        shared = Sums(len(data.document_ids), SHARED)
        own = {subject.fingerprint: Sums(len(data.document_ids), OWN) for subject in subjects}
        fired: dict[str, Array] = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                fired[subject.fingerprint] = np.zeros(subject.dictionary().d_dict, dtype=np.int64)
        seconds = {subject.fingerprint: np.zeros(2) for subject in subjects}

        done = restore(bench, subjects, shared, own, fired, seconds)
        blocks = -(-data.n_rows // bench.rows_per_block)
        with bench.progress.bar(f"{self.card.name} {site}", blocks, "block") as bar, torch.inference_mode():
            bar.advance(done)
            for index in range(done, blocks):
                if not any(bench.alive(subjects)):
                    break
                start = index * bench.rows_per_block
                block = read_block(
                    data, entries, start, min(start + bench.rows_per_block, data.n_rows), statistics, bench
                )
                clean = score_shared(block, statistics, site, bench, shared)
                for subject in bench.alive(subjects):
                    with bench.guard(subject):
                        key = subject.fingerprint
                        began = time.perf_counter()
                        codes, decoded = reconstruct(subject.dictionary(), block)
                        encoded = time.perf_counter()
                        score_own(block, site, bench, own[key], clean, codes, decoded)
                        fired[key] += codes.fired().cpu().numpy()
                        seconds[key] += np.array([time.perf_counter(), encoded]) - began
                bench.journal.save(index + 1, snapshot(bench, subjects, shared, own, fired, seconds))
                bar.advance()

        total = shared.columns["tokens"].sum()
        if not any(bench.alive(subjects)):
            return {}
        if shared.columns["predictions"].sum() == 0:
            raise DataError("no two neighbouring unmasked tokens: nothing to score", field=data.rows.name)
        scores = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                key = subject.fingerprint
                scores[key] = finish(
                    subject.dictionary(), data, shared, own[key], fired[key], seconds[key], total, bench.lm.device
                )
        return scores


def measure(data: ActivationSet, rows_per_block: int) -> Statistics:
    """Mean, batch means and sae-bench's variance of the unmasked activations, streamed in float64.

    Raises:
        DataError: no token is unmasked.
    """
    if data.n_tokens == 0:
        raise DataError("no unmasked token to evaluate", field=data.rows.name)
    batches = -(-data.n_rows // LEGACY_ROWS)
    sums = torch.zeros(batches, data.width, dtype=torch.float64)
    counts = np.zeros(batches)
    square = 0.0
    for start in range(0, data.n_rows, rows_per_block):
        stop = min(start + rows_per_block, data.n_rows)
        mask = torch.from_numpy(np.ascontiguousarray(data.mask[start:stop]))
        x = data.block(start, stop)[mask].double()
        batch = torch.arange(start, stop).repeat_interleave(mask.sum(1)) // LEGACY_ROWS
        sums.index_add_(0, batch, x)
        counts += np.bincount(batch.numpy(), minlength=batches)
        square += float(x.square().sum())
    mean_square = square / data.n_tokens
    return Statistics(
        mean=sums.sum(0) / data.n_tokens,
        variance_060=mean_square - (mean_square / data.width) ** 2,
        batch_means=sums / torch.from_numpy(np.maximum(counts, 1))[:, None],
        batch_tokens=counts,
    )


def read_block(
    data: ActivationSet, entries: ActivationSet | None, start: int, stop: int, statistics: Statistics, bench: Bench
) -> Block:
    """Rows `start` to `stop` on the model's device, with masks, document ids and what every subject is held against."""
    lm = bench.lm
    mask = np.ascontiguousarray(data.mask[start:stop])
    documents = np.ascontiguousarray(data.documents[start:stop])
    predicts = mask[:, :-1] & mask[:, 1:]
    legacy = mask[:, :-1]
    batch = np.broadcast_to(np.arange(start, stop)[:, None], mask.shape)[mask] // LEGACY_ROWS
    tokens = torch.from_numpy(data.tokens[start:stop].astype(np.int64)).to(lm.device)
    row, column = (torch.from_numpy(place).to(lm.device) for place in legacy.nonzero())
    on_device = torch.from_numpy(mask).to(lm.device)
    x = data.block(start, stop).to(lm.device, lm.dtype)
    wide = widened(x[on_device])
    batch_means = statistics.batch_means.to(wide.device)[torch.from_numpy(batch).to(wide.device)]
    return Block(
        tokens=tokens,
        x=x,
        entry=entries.block(start, stop).to(lm.device, lm.dtype) if entries else None,
        mask=on_device,
        documents=documents[mask],
        wide=wide,
        norm=wide.norm(dim=1),
        spread=(wide - batch_means).square().sum(1),
        batch_tokens=statistics.batch_tokens[batch],
        counted=Counted(row * mask.shape[1] + column, tokens[row, column + 1]),
        legacy_predicted=documents[:, :-1][legacy],
        predicts=predicts[legacy],
        predicted=documents[:, :-1][predicts],
    )


def score_shared(block: Block, statistics: Statistics, site: str, bench: Bench, shared: Sums) -> Clean:
    """Clean and ablated continuations of a block, once for all subjects. Returns the clean distribution."""
    shared.add("tokens", block.documents, np.ones(len(block.documents)))
    shared.add("predictions", block.predicted, np.ones(len(block.predicted)))
    x = block.wide
    mean = statistics.mean.to(x.device)
    shared.add("sst", block.documents, (x - mean).square().sum(1))
    shared.add("legacy_variance_060", block.documents, np.full(len(block.documents), statistics.variance_060))

    clean = Clean.of(resume(bench, site, block, block.x), block.counted)
    shared.add("ce_clean", block.predicted, clean.losses[block.predicts])
    shared.add("legacy_ce_clean", block.legacy_predicted, clean.losses)

    losses, divergences = clean.against(resume(bench, site, block, replace(block, torch.zeros_like(x))))
    shared.add("ce_zero", block.predicted, losses[block.predicts])
    shared.add("kl_zero", block.predicted, divergences[block.predicts])

    losses = block.counted.losses(resume(bench, site, block, replace(block, mean.expand_as(x))))
    shared.add("ce_mean", block.predicted, losses[block.predicts])

    losses = block.counted.losses(resume(bench, site, block, torch.zeros_like(block.x)))
    shared.add("legacy_ce_zero", block.legacy_predicted, losses)
    return clean


def resume(bench: Bench, site: str, block: Block, acts: Tensor) -> Tensor:
    """Logits of the layers above the site, `[rows, context, vocabulary]`, or of one row that stands for all.

    Above a residual site nothing is left of the text but its activations: rows that are equal there, as ablated ones
    often are, continue alike, and one of them is run.
    """
    alike = block.entry is None and bool((acts == acts[:1]).all())
    rows = 1 if alike else len(acts)
    return bench.lm.resume(site, acts[:rows], block.tokens[:rows], entry=block.entry)


def reconstruct(dictionary: Dictionary, block: Block) -> tuple[Codes, Tensor]:
    """Codes and reconstruction `[n, d]` of the unmasked tokens of a block.

    A dictionary that looks at sequences reads the rows whole, with the mask as context; what it gives on masked
    tokens is dropped.

    Raises:
        SubjectFailed: the reconstruction has the wrong shape or is not finite.
    """
    x = block.x[block.mask]
    if dictionary.traits.sequence_coupled:
        rows, width = block.mask.shape
        positions = torch.arange(width, device=block.x.device).expand(rows, width)
        codes = dictionary.encode(block.x, Context(block.mask, positions))
        decoded = dictionary.decode(codes, block.x if dictionary.traits.needs_x_in_decode else None)
        kept = block.mask.flatten()
        if decoded.shape[:-1] != kept.shape or codes.n != len(kept):
            raise SubjectFailed(f"{codes.n} codes, decoded to {tuple(decoded.shape)}, for {len(kept)} tokens")
        codes, decoded = codes.select(kept), decoded[kept]
    else:
        codes = dictionary.encode(x)
        decoded = dictionary.decode(codes, x if dictionary.traits.needs_x_in_decode else None)
    if decoded.shape != x.shape:
        raise SubjectFailed(f"decode gave shape {tuple(decoded.shape)}, its site has {tuple(x.shape)}")
    if not bool(torch.isfinite(decoded).all()):
        raise SubjectFailed("the reconstruction holds NaN or an infinity")
    return codes, decoded


def score_own(block: Block, site: str, bench: Bench, own: Sums, clean: Clean, codes: Codes, decoded: Tensor) -> None:
    """One subject on one block: errors of the reconstruction, and the model continued from it."""
    x, y = block.wide, widened(decoded)
    error = (x - y).square().sum(1)
    dot = (x * y).sum(1)
    norm, norm_out = block.norm, y.norm(dim=1)
    own.add("sse", block.documents, error)
    own.add("ssr", block.documents, norm_out.square())
    own.add("dot", block.documents, dot)
    own.add("cosine", block.documents, dot / (norm.clamp(min=1e-8) * norm_out.clamp(min=1e-8)))
    own.add("l2_ratio", block.documents, norm_out / torch.where(norm < 1e-4, 1.0, norm))
    own.add("l0", block.documents, codes.l0())
    own.add("l1", block.documents, codes.l1())
    own.add("legacy_l1", block.documents, codes.project(torch.ones(codes.d_dict, 1).to(decoded))[:, 0])
    own.add("legacy_explained_variance", block.documents, 1 - error / block.spread)
    own.add("legacy_mse", block.documents, error.cpu().numpy() / block.batch_tokens)

    losses, divergences = clean.against(resume(bench, site, block, replace(block, decoded)))
    own.add("ce_spliced", block.predicted, losses[block.predicts])
    own.add("legacy_ce_spliced", block.legacy_predicted, losses)
    own.add("kl", block.predicted, divergences[block.predicts])


def replace(block: Block, values: Tensor) -> Tensor:
    """The block's activations with `values` `[n, d]` at the unmasked positions and the rest as they are."""
    changed = block.x.clone()
    changed[block.mask] = values.to(block.x.dtype).to(block.x.device)
    return changed


def widened(values: Tensor) -> Tensor:
    """Values in float64, on their device; on the CPU where the device is MPS, which has no such numbers."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def snapshot(
    bench: Bench,
    subjects: Sequence[Subject],
    shared: Sums,
    own: dict[str, Sums],
    fired: dict[str, Array],
    seconds: dict[str, Array],
) -> dict[str, Array]:
    """The arrays that a journal keeps; subjects that failed are left out."""
    arrays = shared.arrays("shared")
    for subject in bench.alive(subjects):
        key = subject.fingerprint
        arrays |= own[key].arrays(key) | {f"{key}/fired": fired[key], f"{key}/seconds": seconds[key]}
    return arrays


def restore(
    bench: Bench,
    subjects: Sequence[Subject],
    shared: Sums,
    own: dict[str, Sums],
    fired: dict[str, Array],
    seconds: dict[str, Array],
) -> int:
    """Take up a journal where there is one. Returns the number of blocks that are done."""
    kept = bench.journal.load()
    if kept is None:
        return 0
    done, arrays = kept
    shared.restore("shared", arrays)
    for subject in bench.alive(subjects):
        key = subject.fingerprint
        with bench.guard(subject):
            if f"{key}/fired" not in arrays:
                raise SubjectFailed("it failed before the interruption; the next run tries it afresh")
            own[key].restore(key, arrays)
            fired[key] = arrays[f"{key}/fired"].copy()
            seconds[key] = arrays[f"{key}/seconds"].copy()
    return done


def finish(
    dictionary: Dictionary,
    data: ActivationSet,
    shared: Sums,
    own: Sums,
    fired: Array,
    seconds: Array,
    total: float,
    device: torch.device,
) -> Scores:
    """Item tables of one subject: documents that were evaluated, and latents.

    Args:
        seconds: spent on the subject altogether, and on encoding and decoding alone.
        total: unmasked tokens.
    """
    seen = shared.columns["tokens"] > 0
    names = tuple(name for name, keep in zip(data.document_ids, seen, strict=True) if keep)
    columns = {name: column[seen] for name, column in (shared.columns | own.columns).items()}
    density = fired / total
    latents: dict[str, Array] = {
        "fired": fired.astype(np.float64),
        "dead_fraction": (fired == 0).astype(np.float64),
        "dense_1pct": (density > 0.01).astype(np.float64),
        "dense_10pct": (density > 0.1).astype(np.float64),
    }
    undefined = {}
    for side, directions in (("decoder", dictionary.atoms), ("encoder", dictionary.encoder_rows)):
        metric = f"max_{side}_cosine"
        if directions is None or len(directions) < 2:
            undefined[metric] = f"the dictionary has no two linear {side} directions to compare"
        else:
            latents[metric] = max_cosines(directions).cpu().double().numpy()
    ids = tuple(str(index) for index in range(len(fired)))
    exponents = np.log10(density[density > 0]).clip(HISTOGRAM[0], HISTOGRAM[-1])
    counts, _ = np.histogram(exponents, bins=HISTOGRAM)
    return Scores(
        tables={DOCUMENTS: ItemTable(names, names, columns), LATENTS: ItemTable(ids, ids, latents)},
        details={
            "density_histogram": {"log10_density": HISTOGRAM.tolist(), "latents": counts.tolist()},
            "dead_latents": int((fired == 0).sum()),
        },
        cost={
            "seconds_per_million_tokens": 1e6 * float(seconds[0]) / total,
            "encode_decode_seconds_per_million_tokens": 1e6 * float(seconds[1]) / total,
            "peak_memory_bytes": float(peak_memory(device)),
        },
        undefined=undefined,
    )


def peak_memory(device: torch.device) -> int:
    """Largest memory of this process so far, bytes: allocated on a CUDA device, else resident."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
