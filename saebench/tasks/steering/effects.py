"""SAE-TS (Chalnev et al. 2024, arXiv 2411.02193): steer with what raises a latent, not with its atom.

Many random directions v are added to the site, each at a strength at which the plain model's loss of the text is about
`LOSS`. The effect of one is the change of the mean code of every latent over the tokens that are then written. A linear
map predicts effects, y = v W + b, and a latent j is steered with w = u(u(W_j) - u(W b)), u(x) = x / ||x||.

Where the source fits W by Adam on thousands of directions, here it is the ridge regression on a few: half of them atoms
of the dictionary, half Gaussian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from saebench.baselines.concepts.direction import ConceptDirection, Magnitude, Projection, unit_of
from saebench.baselines.concepts.latents import LatentMethod, LatentReader
from saebench.errors import SubjectFailed
from saebench.lm.model import LanguageModel
from saebench.lm.steering import Continuations, Prompts, continued
from saebench.tasks.steering.interventions import edit_of
from saebench.tasks.steering.measures import mean_over

if TYPE_CHECKING:
    from saebench.baselines.concepts.method import Lesson
    from saebench.dictionaries.contract import Dictionary

Arrays = dict[str, np.ndarray[Any, Any]]

LOSS = 4.0
"""Nats a token at which effects are measured."""
SCALES = (0.2, 0.4, 0.6, 0.9, 1.5, 4.0)
"""Strengths among which that loss is looked for, in units of the mean length of activations."""
STEPS = 16
"""Tokens that are written."""
PENALTY = 0.1
"""Of the ridge regression, in units of the mean squared length of what the directions have in common."""
SEED = 0
READ = 64
"""Rows whose activations are encoded at once."""


@torch.no_grad()
def effect_map(dictionary: Dictionary, lm: LanguageModel, site: str, prompts: Prompts, directions: int) -> Arrays:
    """`W` `[d, d_dict]` and `b` `[d_dict]`.

    Args:
        dictionary: at `site`.
        lm, site: where directions are added.
        prompts: what is continued; the strength is looked for on the first.
        directions: how many.

    Raises:
        SubjectFailed: the dictionary has no atoms, or reads whole sequences.
    """
    if dictionary.atoms is None or dictionary.traits.sequence_coupled:
        raise SubjectFailed("effects are measured for dictionaries with atoms that read token by token")
    vectors = drawn(dictionary.atoms.detach().float().cpu(), directions)
    length = float(lm.capture(prompts.tokens, [site])[site][prompts.mask].float().norm(dim=-1).median())
    strengths = strengths_of(vectors, length, lm, site, prompts)
    rows, asked = len(vectors), len(prompts)
    edit = edit_of("add", vectors.repeat_interleave(asked, 0), strengths.repeat_interleave(asked))
    said = continued(lm, site, prompts, torch.arange(asked).repeat(rows), edit, STEPS)
    plain = continued(lm, site, prompts, torch.arange(asked), lambda acts, _: acts, STEPS)
    effects = codes_of(dictionary, lm, site, said).view(rows, asked, -1).mean(1)
    effects = effects - codes_of(dictionary, lm, site, plain).mean(0)
    offset = effects.mean(0)
    gram = vectors.double() @ vectors.double().T
    ridge = PENALTY * float(gram.diagonal().mean()) * torch.eye(rows, dtype=torch.float64)
    weights = vectors.double().T @ torch.linalg.solve(gram + ridge, (effects - offset).double())
    return {"weights": weights.float().numpy(), "offset": offset.numpy()}


def drawn(atoms: Tensor, count: int) -> Tensor:
    """Unit vectors `[count, d]`: half atoms, half Gaussian."""
    generator = torch.Generator().manual_seed(SEED)
    chosen = atoms[torch.randperm(len(atoms), generator=generator)[: count // 2]]
    free = torch.randn(count - len(chosen), atoms.shape[1], generator=generator)
    return torch.nn.functional.normalize(torch.cat([chosen, free]), dim=1)


def strengths_of(vectors: Tensor, length: float, lm: LanguageModel, site: str, prompts: Prompts) -> Tensor:
    """The strength of each vector at which the text's loss first reaches `LOSS`, on the line between two scales.

    The largest scale where none reaches it, the smallest where all exceed it.
    """
    first = Prompts(prompts.tokens[:1], prompts.mask[:1])
    scales = length * torch.tensor(SCALES)
    edit = edit_of("add", vectors.repeat_interleave(len(scales), 0), scales.repeat(len(vectors)))
    prompt_of = torch.zeros(len(vectors) * len(scales), dtype=torch.int64)
    said = continued(lm, site, first, prompt_of, edit, STEPS)
    losses = mean_over(said.loss, said.counted).reshape(len(vectors), len(scales))
    grid = scales.numpy()
    return torch.tensor(
        [float(np.interp(LOSS, np.maximum.accumulate(row), grid)) for row in losses], dtype=torch.float32
    )


def codes_of(dictionary: Dictionary, lm: LanguageModel, site: str, said: Continuations) -> Tensor:
    """Mean codes of each text's tokens, as the plain model reads it behind a begin-of-text token, `[n, d_dict]`."""
    begin = torch.full((len(said.tokens), 1), lm.bos_id)
    means = []
    for rows in torch.split(torch.arange(len(said.tokens)), READ):
        acts = lm.capture(torch.cat([begin[rows], said.tokens[rows]], 1), [site])[site][:, 1:]
        codes = dictionary.encode(acts.flatten(0, 1)).dense().float().cpu().view(*acts.shape[:2], -1)
        counted = said.counted[rows][..., None]
        means.append((codes * counted).sum(1) / counted.sum(1).clamp(min=1))
    return torch.cat(means)


def effect_direction(weights: Tensor, offset: Tensor, latent: int, sign: int) -> Tensor:
    """w = u(sign u(W_j) - u(W b)), `[d]`.

    Args:
        weights, offset: W `[d, d_dict]` and b `[d_dict]`.
        latent: j.
        sign: -1 for a latent whose negative codes are meant.

    Raises:
        SubjectFailed: nothing raises the latent.
    """
    own = sign * unit_of(weights[:, latent], f"the effect on latent {latent}")
    common = weights @ offset
    if common.norm() > 0:
        own = own - common / common.norm()
    return unit_of(own, f"the effect on latent {latent}")


class EffectLatent(LatentMethod):
    """The latent with the best AUROC on the training texts, steered with what raises it."""

    def __init__(self, dictionary: Dictionary, effects: Arrays, directions: int) -> None:
        super().__init__(dictionary)
        self._weights, self._offset = (torch.from_numpy(np.array(effects[name])) for name in ("weights", "offset"))
        self.choice = f"best training AUROC, effects of {directions} directions"

    def fit(self, lesson: Lesson) -> ConceptDirection:
        best = self.candidates(lesson, 1)[0]
        direction = effect_direction(self._weights, self._offset, best.latent, best.sign)
        reach = Projection(direction).tokens(lesson.texts)
        return ConceptDirection(
            direction,
            best.sign,
            LatentReader(self.dictionary, best.latent, best.sign),
            Magnitude.of(reach, lesson.texts, lesson.y),
            notes={"latent": best.latent, "training_auroc": best.auroc},
        )
