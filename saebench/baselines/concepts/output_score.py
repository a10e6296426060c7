"""Output scores: does a latent, turned up, make the model say what the latent stands for (Arad et al. 2025)?

The tokens that a latent stands for are those that its atom favours when the model's last norm and unembedding read it
alone (logit lens).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from saebench.baselines.concepts.encoding import encoded
from saebench.baselines.concepts.texts import ConceptTexts, FloatArray, IntArray
from saebench.dictionaries.contract import Dictionary
from saebench.errors import SubjectFailed
from saebench.lm.model import LanguageModel

PROMPT = "From my experience,"
FAVOURED = 20
"""Tokens that a latent stands for."""
FACTOR = 10.0
"""How much a latent is turned up, in units of the largest code at the last position."""
BATCH = 32
"""Latents whose logits exist at once."""


@torch.no_grad()
def output_scores(
    dictionary: Dictionary, latents: IntArray, signs: IntArray, lm: LanguageModel, site: str
) -> FloatArray:
    """S = (1 - r / V) p of each of `latents`: `[len(latents)]`, between 0 and 1.

    At the last position of a neutral prompt 10 times the largest code there is added to the latent's code, the
    reconstruction error kept. p is the largest probability that the model then gives to one of the 20 tokens that the
    latent's atom favours, r the smallest rank of one of them among the V tokens, from 0.

    Args:
        dictionary: one with atoms, at `site`.
        latents, signs: which, and whether their atoms count as they are (1) or turned round (-1).
        lm: the model.
        site: one whose vectors the residual stream can be compared with.

    Raises:
        SubjectFailed: the dictionary has no atoms, or lives inside the MLP.
    """
    if dictionary.atoms is None:
        raise SubjectFailed("the dictionary has no atoms, and so no output score")
    if lm.site(site).width != lm.d_model:
        raise SubjectFailed(f"atoms at {site} are no vectors of the residual stream, and so have no output score")
    ids = lm.tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    tokens = torch.tensor([[lm.bos_id, *ids]], device=lm.device)
    entry_site = lm.entry_site(site)
    seen = lm.capture(tokens, [site, *([entry_site] if entry_site else [])])
    x = seen[site].float()
    prompt = ConceptTexts(x.cpu(), torch.ones(tokens.shape, dtype=torch.bool), tokens.cpu(), (PROMPT,), site)
    codes = torch.cat([codes.dense() for _, codes in encoded(dictionary, prompt)])
    push = FACTOR * float(codes[-1].abs().max())
    chosen = torch.from_numpy(latents).to(dictionary.atoms.device)
    rows = dictionary.atoms[chosen].float().cpu() * torch.from_numpy(signs)[:, None]
    scores = []
    for start in range(0, len(rows), BATCH):
        atoms = rows[start : start + BATCH].to(lm.device)
        edited = x.repeat(len(atoms), 1, 1)
        edited[:, -1] += push * atoms
        again = tokens.expand(len(atoms), -1)
        entry = seen[entry_site].expand(len(atoms), -1, -1) if entry_site else None
        logits = lm.resume(site, edited, again, entry, torch.tensor([x.shape[1] - 1]))[:, 0].float()
        scores.append(scored(logits, favoured(atoms, lm)))
    return np.concatenate(scores)


def favoured(atoms: Tensor, lm: LanguageModel) -> Tensor:
    """The tokens whose logits are largest when the last norm and the unembedding read each atom alone, `[n, 20]`."""
    last = f"blocks.{lm.n_layers - 1}.hook_resid_post"
    tokens = torch.full((len(atoms), 1), lm.bos_id, device=lm.device)
    logits = lm.resume(last, atoms[:, None], tokens)[:, 0].float()
    return logits.topk(min(FAVOURED, logits.shape[1]), dim=1).indices


def scored(logits: Tensor, tokens: Tensor) -> FloatArray:
    """S for logits `[n, V]` and the tokens `[n, k]` that count."""
    p = logits.softmax(1).gather(1, tokens).max(1).values
    best = logits.gather(1, tokens).max(1).values
    rank = (logits > best[:, None]).sum(1)
    return np.asarray(((1 - rank / logits.shape[1]) * p).double().cpu().numpy())
