"""A dictionary as a concept method: one latent, chosen on the training texts, whose code is the score.

`BestLatent` takes the latent that tells the training texts apart best. `OutputLatent` takes, of the few best ones, the
latent that most raises the tokens that it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from saebench.baselines.concepts.direction import ConceptDirection, Magnitude, TokenReader, unit_of
from saebench.baselines.concepts.encoding import encoded, place_of
from saebench.baselines.concepts.method import ConceptMethod, Lesson
from saebench.baselines.concepts.output_score import output_scores
from saebench.baselines.concepts.texts import ConceptTexts, FloatArray
from saebench.dictionaries.contract import Dictionary
from saebench.errors import SubjectFailed
from saebench.stats.auroc import aucs

DECIMALS = 12
"""AUROCs that agree in so many are equal."""


@dataclass(frozen=True)
class Candidate:
    """A latent with the sign of its codes that is meant, and the AUROC of its largest codes on the training texts."""

    latent: int
    sign: int
    auroc: float


@dataclass(frozen=True, eq=False)
class LatentReader(TokenReader):
    """The code of one latent, times `sign`."""

    dictionary: Dictionary
    latent: int
    sign: int

    def tokens(self, texts: ConceptTexts) -> FloatArray:
        chosen = torch.tensor([self.latent], device=place_of(self.dictionary).device)
        parts = [codes.columns(chosen)[:, 0] for _, codes in encoded(self.dictionary, texts)]
        return np.asarray(self.sign * torch.cat(parts).double().cpu().numpy())


class LatentMethod(ConceptMethod):
    """Base of methods that choose a latent of a dictionary."""

    order_free = True
    choice: str
    """How it chooses, in identities."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary

    @property
    def dictionary(self) -> Dictionary:
        return self._dictionary

    def recipe(self) -> dict[str, Any]:
        return {"latent": self.choice, "version": 1, "dictionary": self.dictionary.fingerprint()}

    def candidates(self, lesson: Lesson, most: int) -> list[Candidate]:
        """At most `most` latents by their AUROC on the training texts, best first.

        A text's score is its largest code. Latents of signed dictionaries may count with either sign, others with
        theirs alone. Among equal AUROCs the latent comes first whose class means lie further apart in units of its
        standard deviation, then the lower index.

        Raises:
            SubjectFailed: codes of another number or width, or not finite.
        """
        signs = (1, -1) if self.dictionary.traits.signed else (1,)
        extremes = self.peaks(lesson.texts)
        peaks = np.concatenate([sign * extremes[sign] for sign in signs], axis=1)
        areas = aucs(peaks, lesson.y)
        gaps = peaks[lesson.y == 1].mean(0) - peaks[lesson.y == 0].mean(0)
        gaps = gaps / np.maximum(peaks.std(0), np.finfo(np.float64).tiny)
        width = self.dictionary.d_dict
        best = np.lexsort((-gaps, -areas.round(DECIMALS)))[:most]
        return [Candidate(int(one % width), signs[one // width], float(areas[one])) for one in best]

    def peaks(self, texts: ConceptTexts) -> Mapping[int, FloatArray]:
        """Under 1 the largest code of each latent in each text, under -1 the smallest, `[n, d_dict]`."""
        found: dict[int, list[FloatArray]] = {1: [], -1: []}
        for counts, codes in encoded(self.dictionary, texts):
            values = codes.dense().double().cpu().numpy()
            if not np.isfinite(values).all():
                raise SubjectFailed("the codes hold NaN or an infinity")
            starts = np.cumsum(counts) - counts
            found[1].append(np.maximum.reduceat(values, starts, axis=0))
            found[-1].append(np.minimum.reduceat(values, starts, axis=0))
        return {sign: np.concatenate(parts) for sign, parts in found.items()}

    def concept(self, lesson: Lesson, chosen: Candidate, notes: Mapping[str, Any]) -> ConceptDirection:
        """What a latent is as a concept."""
        reader = LatentReader(self.dictionary, chosen.latent, chosen.sign)
        notes = {"latent": chosen.latent, "training_auroc": chosen.auroc, **notes}
        if self.dictionary.atoms is None:
            return ConceptDirection(None, chosen.sign, reader, None, "the dictionary has no atoms", notes)
        atom = self.dictionary.atoms[chosen.latent].detach().cpu().float()
        direction = chosen.sign * unit_of(atom, f"the atom of latent {chosen.latent}")
        reach = reader.tokens(lesson.texts) * float(atom.norm())
        return ConceptDirection(
            direction, chosen.sign, reader, Magnitude.of(reach, lesson.texts, lesson.y), notes=notes
        )


class BestLatent(LatentMethod):
    """The latent with the best AUROC on the training texts (SAE-A of AxBench)."""

    choice = "best training AUROC"

    def fit(self, lesson: Lesson) -> ConceptDirection:
        return self.concept(lesson, self.candidates(lesson, 1)[0], {})


class OutputLatent(LatentMethod):
    """Of the `among` latents with the best training AUROC, the one with the best output score (Arad et al. 2025).

    The first of them where no score is above another.
    """

    needs_model = True

    def __init__(self, dictionary: Dictionary, among: int = 10) -> None:
        super().__init__(dictionary)
        self.among = among
        self.choice = f"best output score among {among}"

    def fit(self, lesson: Lesson) -> ConceptDirection:
        ranked = self.candidates(lesson, self.among)
        latents = np.array([one.latent for one in ranked])
        signs = np.array([one.sign for one in ranked])
        scores = output_scores(self.dictionary, latents, signs, lesson.model(), lesson.texts.site)
        best = int(scores.argmax())
        return self.concept(lesson, ranked[best], {"output_score": float(scores[best]), "place": best})
