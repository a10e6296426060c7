from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from saebench.errors import UnknownName
from saebench.lm.fakes import tiny_model
from saebench.lm.families import FAMILIES, Family
from saebench.lm.model import LanguageModel


def test_an_unknown_family_says_where_and_how_to_add_it() -> None:
    from transformers import AutoModelForCausalLM, BloomConfig

    hf = AutoModelForCausalLM.from_config(BloomConfig(hidden_size=8, n_layer=1, n_head=2, vocab_size=16))
    with pytest.raises(UnknownName) as caught:
        LanguageModel(hf, None, name="bloom")
    message = str(caught.value)
    assert "'bloom'" in message
    assert "saebench/lm/families/" in message
    for field in Family.__dataclass_fields__:
        assert field in message


def test_a_family_added_from_outside_works() -> None:
    from transformers import AutoModelForCausalLM, PhiConfig

    config = PhiConfig(hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, vocab_size=16)
    hf = AutoModelForCausalLM.from_config(config)
    FAMILIES.add("phi", Family("model.layers", "self_attn", "mlp", "mlp.fc2"))
    try:
        lm = LanguageModel(hf, None, name="tiny phi")
        tokens = torch.arange(3, 15)[None]
        whole = lm.logits(tokens)
        captured = lm.capture(tokens, lm.sites())
        for site in lm.sites():
            entry = lm.entry_site(site)
            resumed = lm.resume(site, captured[site], tokens, None if entry is None else captured[entry])
            assert (resumed - whole).abs().max() < 1e-4, site
    finally:
        FAMILIES.remove("phi")


def test_widths_of_the_two_streams() -> None:
    lm = tiny_model("gpt2", d_model=16)
    assert lm.site("blocks.0.hook_mlp_out").width == 16
    assert lm.site("blocks.0.mlp.hook_post").width == 32
    assert FAMILIES.get("gpt2").mlp_width(SimpleNamespace(n_inner=None, n_embd=16)) == 64
