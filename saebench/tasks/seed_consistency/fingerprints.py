"""What matched latents do to the model: is it the same?

The fingerprint of a latent is what taking it out does to the model's prediction. On a few rows its contribution
f(x) d is subtracted from the activations of the site wherever it fires (all else, the error of the dictionary included,
stays), and the model goes on from there. The change of the logits is averaged over the places in these rows where
either of the two matched latents fires, and centred over the vocabulary: that is the change of log-probabilities up to
a constant. Two latents that do the same have fingerprints that correlate. The control is a latent that is not matched,
of the partner's dictionary and band, that fires at some of these places too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from saebench.fingerprint import digest
from saebench.matching.cosines import Array
from saebench.tasks.seed_consistency.bands import BANDS, band_of

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.lm.model import LanguageModel
    from saebench.tasks.seed_consistency.members import Member
    from saebench.tasks.seed_consistency.pairs import Alive, PairScore

MOST_PLACES = 32
"""Places of a row at which logits are read: those where the two latents are strongest."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Where latents are taken out."""

    lm: LanguageModel
    site: str
    data: ActivationSet
    entries: ActivationSet | None
    """Inputs of the block, where the site lies inside one."""
    places: Array
    """Row and column of each unmasked token, int `[tokens, 2]`."""

    @classmethod
    def of(cls, lm: LanguageModel, site: str, data: ActivationSet, entries: ActivationSet | None) -> Stage:
        """The unmasked tokens of `data`, in the order in which members encode them."""
        return cls(lm, site, data, entries, np.argwhere(data.mask))


@dataclass(frozen=True, eq=False)
class Probe:
    """Two matched latents, a third one, and where they are held against each other."""

    first: int
    second: int
    control: int | None
    band: str
    cosine: float
    tokens: Array
    """Tokens at which logits are read, ascending."""


def score_fingerprints(
    a: Member, b: Member, alive: Alive, per_band: int, rows: int, eval_seed: int, stage: Stage, score: PairScore
) -> None:
    """Fingerprints of a few matched latents of each band.

    Args:
        a: one member, with atoms.
        b: the other.
        alive: their matched latents.
        per_band: matched pairs of each band.
        rows: rows on which each of them is looked at.
        eval_seed: draws pairs and controls.
        stage: the model and its activations.
        score: takes the sums.
    """
    draw = np.random.default_rng([eval_seed, int(digest([a.label, b.label])[:16], 16)])
    totals = dict.fromkeys(("fingerprints", "fingerprint", "controls", "fingerprint_of_controlled", "control"), 0.0)
    told = []
    for index in chosen(a, b, alive, per_band, draw):
        probe = probe_of(a, b, alive, index, rows, draw, stage)
        latents = [(a, probe.first), (b, probe.second)] + ([(b, probe.control)] if probe.control is not None else [])
        prints = removed(latents, probe.tokens, stage)
        alike = correlation(prints[0], prints[1])
        other = correlation(prints[0], prints[2]) if probe.control is not None else None
        totals["fingerprints"] += 1
        totals["fingerprint"] += alike
        if other is not None:
            totals["controls"] += 1
            totals["fingerprint_of_controlled"] += alike
            totals["control"] += other
        told.append(tell(probe, alike, other, prints))
    score.columns |= totals
    score.details["fingerprints"] = told


def chosen(a: Member, b: Member, alive: Alive, per_band: int, draw: np.random.Generator) -> list[int]:
    """Matched pairs, `per_band` of each band where there are so many; a pair's rate is the geometric mean of both."""
    bands = band_of(np.sqrt(a.rates[alive.first] * b.rates[alive.second]))
    taken: list[int] = []
    for band in range(len(BANDS)):
        found = np.flatnonzero(bands == band)
        taken += np.sort(draw.choice(found, size=min(per_band, len(found)), replace=False)).tolist()
    return taken


def probe_of(
    a: Member, b: Member, alive: Alive, index: int, rows: int, draw: np.random.Generator, stage: Stage
) -> Probe:
    """Where two matched latents are looked at: the rows that hold the largest share of what both do.

    A row's share of a latent is the part of its summed |code| that lies there. Rows are ranked by the smaller of the
    two shares, then by their sum: those in which both fire come first.
    """
    first, second = int(alive.first[index]), int(alive.second[index])
    tokens, strength = together(a, first, b, second)
    owner = stage.places[tokens, 0]
    shares = np.stack([np.bincount(owner, weights=one, minlength=stage.data.n_rows) for one in strength])
    order = np.lexsort((-shares.sum(0), -shares.min(0)))[:rows]
    picked = np.concatenate([strongest_of(tokens[owner == row], strength[:, owner == row].sum(0)) for row in order])
    picked = np.sort(picked).astype(np.int64)
    band = int(band_of(b.rates[[second]])[0])
    free = np.unique(b.codes[picked].indices)
    free = free[(band_of(b.rates[free]) == band) & (free != second)]
    return Probe(
        first=first,
        second=second,
        control=int(draw.choice(free)) if len(free) else None,
        band=list(BANDS)[int(band_of(np.sqrt(a.rates[[first]] * b.rates[[second]]))[0])],
        cosine=float(alive.cosines[index]),
        tokens=picked,
    )


def together(a: Member, first: int, b: Member, second: int) -> tuple[Array, Array]:
    """Tokens on which either latent fires, and the share of each in what the latents do altogether, `[2, tokens]`."""
    columns = [member.columns[:, [latent]].tocoo() for member, latent in ((a, first), (b, second))]
    tokens = np.unique(np.concatenate([column.row for column in columns]))
    shares = np.zeros((2, len(tokens)))
    for share, column in zip(shares, columns, strict=True):
        size = np.abs(column.data.astype(np.float64))
        share[np.searchsorted(tokens, column.row)] = size / size.sum()
    return tokens, shares


def strongest_of(tokens: Array, strength: Array) -> Array:
    """At most `MOST_PLACES` tokens of a row."""
    return tokens[np.argsort(-strength, kind="stable")[:MOST_PLACES]]


def removed(latents: list[tuple[Member, int]], tokens: Array, stage: Stage) -> Tensor:
    """Fingerprint of each latent, `[latents, vocabulary]` float64 on the CPU."""
    owner = stage.places[tokens, 0]
    total: Tensor | None = None
    for row in np.unique(owner).tolist():
        positions = stage.places[tokens[owner == row], 1]
        change = change_in_row(latents, row, positions, stage).sum(1)
        total = change if total is None else total + change
    assert total is not None
    mean = total / len(tokens)
    return mean - mean.mean(1, keepdim=True)


def change_in_row(latents: list[tuple[Member, int]], row: int, positions: Array, stage: Stage) -> Tensor:
    """Logits without each latent less those of the untouched row, `[latents, positions, vocabulary]` float64.

    What comes after the last of the positions cannot matter to them and is not run.
    """
    lm = stage.lm
    end = int(positions.max()) + 1
    x = stage.data.block(row, row + 1)[:, :end].float()
    acts = x.repeat(1 + len(latents), 1, 1)
    inside = np.flatnonzero((stage.places[:, 0] == row) & (stage.places[:, 1] < end))
    columns = torch.from_numpy(stage.places[inside, 1])
    for index, (member, latent) in enumerate(latents, start=1):
        assert member.atoms is not None
        values = torch.from_numpy(member.columns[:, [latent]].toarray()[inside, 0])
        acts[index, columns] -= values[:, None] * member.atoms[latent]
    ids = torch.from_numpy(stage.data.tokens[row : row + 1, :end].astype(np.int64)).to(lm.device)
    entry = None
    if stage.entries is not None:
        entry = stage.entries.block(row, row + 1)[:, :end].to(lm.device).expand(len(acts), -1, -1)
    logits = lm.resume(
        stage.site,
        acts.to(lm.device),
        ids.expand(len(acts), -1),
        entry=entry,
        positions=torch.from_numpy(positions),
    ).float()
    return (logits[1:] - logits[:1]).cpu().double()


def correlation(a: Tensor, b: Tensor) -> float:
    """Correlation of two centred fingerprints; 0 where one of the latents changes nothing."""
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 0 else 0.0


def tell(probe: Probe, alike: float, other: float | None, prints: Tensor) -> dict[str, Any]:
    """A pair for the details."""
    return {
        "latents": [probe.first, probe.second],
        "control": probe.control,
        "band": probe.band,
        "cosine": probe.cosine,
        "tokens": len(probe.tokens),
        "fingerprint": alike,
        "control_fingerprint": other,
        "sizes": [float(one.norm()) for one in prints],
    }
