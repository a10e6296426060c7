"""The packaged models themselves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from saebench.assets import ASSETS
from saebench.lm.loss import per_token_loss
from saebench.lm.model import LanguageModel, load_model

pytestmark = pytest.mark.slow
TEXT = (
    "The Senate voted on Tuesday to approve a bill that would extend funding for the agency through the end of the "
    "year, officials said. The measure now goes to the House of Representatives, where its fate is not clear."
)


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return load_model("smollm2-135m-instruct", device="cpu")


def encode(lm: LanguageModel, text: str) -> Tensor:
    return torch.tensor([lm.tokenizer(text)["input_ids"]])


def test_it_is_named_for_what_it_is(lm: LanguageModel) -> None:
    assert lm.name == "SmolLM2-135M-Instruct, Q4_1 dequantised"
    assert (lm.n_layers, lm.d_model, lm.site("blocks.0.mlp.hook_post").width) == (30, 576, 1536)
    assert lm.bos_id == 1


def test_its_pinned_hash_is_that_of_its_folder(lm: LanguageModel) -> None:
    assert load_model(lm.hf.config._name_or_path, device="cpu").weights_hash == lm.weights_hash
    assert lm.weights_hash == ASSETS.get("smollm2-135m-instruct").weights_hash


def test_it_knows_the_capital_of_france(lm: LanguageModel) -> None:
    tokens = encode(lm, "The capital of France is")
    assert lm.tokenizer.decode(lm.logits(tokens)[0, -1].argmax()) == " Paris"
    assert lm.tokenizer.decode(lm.generate(tokens, 2)[0]).endswith(" Paris.")


def test_its_first_position_is_out_of_all_proportion(lm: LanguageModel) -> None:
    """Why positions before the first real token are masked out everywhere."""
    site = "blocks.15.hook_resid_post"
    norms = lm.capture(encode(lm, TEXT), [site])[site][0].norm(dim=-1)
    assert norms[0] > 20 * norms[1:].median()


def test_resuming_gives_the_whole_run(lm: LanguageModel) -> None:
    tokens = encode(lm, TEXT)
    whole = lm.logits(tokens)
    for site in ("blocks.9.hook_resid_post", "blocks.29.hook_resid_post", "blocks.9.hook_mlp_out"):
        entry = lm.entry_site(site)
        captured = lm.capture(tokens, [site] if entry is None else [site, entry])
        resumed = lm.resume(site, captured[site], tokens, None if entry is None else captured[entry])
        assert (resumed - whole).abs().max() < 1e-3, site


def test_stories15m_tells_stories() -> None:
    lm = load_model("stories15m", device="cpu")
    tokens = encode(lm, "Once upon a time, there was a little girl named Lily. She loved to play outside in the park.")
    assert per_token_loss(lm.logits(tokens), tokens).mean() < 2
    assert (lm.n_layers, lm.d_model) == (6, 288)
