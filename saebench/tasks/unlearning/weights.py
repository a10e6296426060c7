"""The upper reference: the weights above the site are trained to lose the topic.

loss = mean loss of other text - mean loss of the topic's text, a batch of each a step: gradient ascent on what is to be
forgotten (Jang et al. 2023, arXiv 2210.01504), descent on the rest. The model itself stays as it is: a copy is trained,
from the stored activations of the site upwards. Its states after several numbers of steps are the configurations among
which the validation questions choose.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray

from saebench.lm.model import LanguageModel
from saebench.tasks.unlearning.asking import Known, prose_loss
from saebench.tasks.unlearning.curve import BUDGETS, REPORTED, Tried
from saebench.tasks.unlearning.material import Material
from saebench.tasks.unlearning.params import UnlearningParams

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet

TEXTS = 8
"""Texts of either kind in a step."""
TOKENS = 64
"""Tokens of a text that are trained on."""
VERSION = 1
"""Raise it when the training means something else."""

Arrays = dict[str, NDArray[Any]]


def trained(
    lm: LanguageModel,
    held: Material,
    acts: tuple[ActivationSet, ActivationSet | None],
    prose: tuple[ActivationSet, ActivationSet | None],
    sides: tuple[Known, Known],
    params: UnlearningParams,
    *,
    seed: int,
    rows: int,
) -> Arrays:
    """Train, ask after the given numbers of steps, and measure prose in the state that the reported budget chooses.

    Args:
        lm: the model; it is left as it is.
        held: the corpora.
        acts, prose: activations of the corpora and of held-out prose at the site, and at its entry site.
        sides: forgotten and retained questions.
        params: steps and rate.
        seed: of the order of texts.
        rows: documents at a time.

    Returns: d of every question by side and half, `[1 + steps, questions]`, and losses and counts of prose.
    """
    copy = LanguageModel(deepcopy(lm.hf), lm.tokenizer, name=lm.name, weights_hash=lm.weights_hash)
    embedding = copy.hf.get_input_embeddings().weight
    weights = [one.requires_grad_() for one in copy.hf.parameters() if one is not embedding]
    optimiser = torch.optim.AdamW(weights, lr=params.rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    of_topic = held.kinds == 0
    states = [untouched(sides)]
    losses = [prose_loss(lm, *prose, rows, None, 0)]
    for step in range(1, max(params.steps) + 1):
        with torch.inference_mode(False), torch.enable_grad():
            topic, other = (some_loss(copy, acts, among, generator) for among in (of_topic, ~of_topic))
            loss = other - topic
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            optimiser.zero_grad()
        if step in params.steps:
            states.append(state(copy, sides))
            losses.append(prose_loss(copy, *prose, rows, None, 0))
    names = ("forget_validation", "retain_validation", "forget_test", "retain_test")
    made: Arrays = {name: np.stack([one[name] for one in states]) for name in names}
    number = Tried(**made).chosen()[BUDGETS.index(REPORTED)]
    return made | {"prose_loss": losses[number][0], "prose_clean": losses[0][0], "prose_tokens": losses[0][1]}


def untouched(sides: tuple[Known, Known]) -> Arrays:
    """The same for the model as it is, which answers all of them right."""
    made: Arrays = {}
    for name, side in zip(("forget", "retain"), sides, strict=True):
        made[f"{name}_validation"], made[f"{name}_test"] = np.zeros(len(side.validation)), np.zeros(len(side.test))
    return made


@torch.no_grad()
def state(lm: LanguageModel, sides: tuple[Known, Known]) -> Arrays:
    """d of every known question under the weights of `lm`, from the same activations upwards."""
    made: Arrays = {}
    for name, side in zip(("forget", "retain"), sides, strict=True):
        likely = side.exam.clean.copy()
        for block in side.exam.blocks(np.concatenate([side.validation, side.test])):
            likely[block.asked] = block.likelihoods(lm)
        made[f"{name}_validation"] = side.damage(likely[None], side.validation)[0]
        made[f"{name}_test"] = side.damage(likely[None], side.test)[0]
    return made


def some_loss(
    lm: LanguageModel,
    acts: tuple[ActivationSet, ActivationSet | None],
    among: NDArray[np.bool_],
    generator: torch.Generator,
) -> torch.Tensor:
    """Mean loss in nats of a few texts drawn among some, each cut short."""
    texts = np.flatnonzero(among)
    rows = texts[torch.randperm(len(texts), generator=generator)[:TEXTS].numpy()]
    stored, entry = acts
    width = min(TOKENS, stored.context)
    places = (rows[:, None] * stored.context + np.arange(width)).reshape(-1)

    def taken(held: ActivationSet) -> torch.Tensor:
        return held.take(places).view(len(rows), width, held.width).to(lm.device, lm.dtype)

    tokens = torch.from_numpy(stored.tokens[rows, :width].astype(np.int64)).to(lm.device)
    mask = torch.from_numpy(np.array(stored.mask[rows, :width])).to(lm.device)
    logits = lm.resume(stored.site, taken(stored), tokens, None if entry is None else taken(entry))
    predicts = mask[:, :-1] & mask[:, 1:]
    return functional.cross_entropy(logits[:, :-1][predicts].float(), tokens[:, 1:][predicts])
