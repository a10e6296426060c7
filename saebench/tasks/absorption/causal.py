"""Do absorbers carry the letter? Take them out of the activation of the word's last token, and see what is answered.

For each checked word the prompt is continued by the question, and the model runs three times: untouched, with
sum_j f_j atom_j of the word's absorbers taken from the site at the word's last token, and with that of as many other
active latents. Measured is the gap: logit of the right letter minus the mean logit of the other 25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from saebench.tasks.absorption.words import LETTERS, QUESTION, Prompts

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel
    from saebench.progress import Progress

Array = np.ndarray[Any, Any]

BATCH_TOKENS = 1024
"""Positions in one pass; each of them has logits over the whole vocabulary."""


@dataclass(frozen=True, eq=False)
class Removal:
    """What is taken from one word: `[d]` each, in the second and in the third run."""

    absorbers: Tensor
    control: Tensor


@dataclass(frozen=True)
class Question:
    """A prompt with its question, as token ids, and where the word's last token stands."""

    tokens: tuple[int, ...]
    place: int


def questions(prompts: Prompts, rows: Sequence[int], tokenizer: Any, begin: int) -> list[Question | None]:
    """The asked prompts of some rows; None where the question changes how the prompt itself is read."""
    made: list[Question | None] = []
    for row in rows:
        text = prompts.texts[row]
        short, long = (
            tokenizer(one, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
            for one in (text, text + QUESTION)
        )
        kept = long[: len(short)] == short and len(long) > len(short)
        made.append(Question((begin, *long), len(short)) if kept else None)
    return made


def answer_tokens(tokenizer: Any) -> tuple[int, ...] | None:
    """The token that follows the question for each letter; None where two letters share one."""
    asked = tokenizer(f"word{QUESTION}", add_special_tokens=False)["input_ids"]
    found = []
    for letter in LETTERS:
        answered = tokenizer(f"word{QUESTION} {letter.upper()}", add_special_tokens=False)["input_ids"]
        if answered[: len(asked)] != asked or len(answered) == len(asked):
            return None
        found.append(answered[len(asked)])
    return tuple(found) if len(set(found)) == len(LETTERS) else None


def gaps(
    lm: LanguageModel,
    site: str,
    asked: Sequence[Question],
    removals: Sequence[Removal],
    letters: Array,
    answers: Sequence[int],
    progress: Progress,
) -> Array:
    """The gap of each word, `[n, 3]` float64: untouched, without its absorbers, without the control's latents.

    Words whose prompts are equally long share a pass, so that nothing is padded.

    Args:
        letters: int64 `[n]`.
    """
    out = np.empty((len(asked), 3))
    order = sorted(range(len(asked)), key=lambda index: len(asked[index].tokens))
    with progress.bar(f"asked without absorbers, {site}", len(asked), "word") as bar:
        while order:
            length = len(asked[order[0]].tokens)
            most = max(1, BATCH_TOKENS // (3 * length))
            chosen = [index for index in order[:most] if len(asked[index].tokens) == length]
            order = order[len(chosen) :]
            tokens = torch.tensor([asked[index].tokens for index in chosen for _ in range(3)])
            places = torch.tensor([asked[index].place for index in chosen for _ in range(3)])
            taken = torch.stack(
                [
                    part
                    for index in chosen
                    for part in (
                        torch.zeros_like(removals[index].absorbers),
                        removals[index].absorbers,
                        removals[index].control,
                    )
                ]
            )

            def without(acts: Tensor, places: Tensor = places, taken: Tensor = taken) -> Tensor:
                changed = acts.clone()
                changed[torch.arange(len(acts)), places] -= taken.to(acts.device, acts.dtype)
                return changed

            with torch.inference_mode(), lm.spliced(site, without):
                logits = lm.logits(tokens)[:, -1, list(answers)].double().cpu().numpy()
            right = np.repeat(letters[chosen], 3)
            own = logits[np.arange(len(logits)), right]
            others = (logits.sum(1) - own) / (len(answers) - 1)
            out[chosen] = (own - others).reshape(-1, 3)
            bar.advance(len(chosen))
    return out
