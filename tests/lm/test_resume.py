"""Capture, splice and resume agree with the whole run, for every family and every site."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from saebench.errors import SiteError, UnknownName, UsageError
from saebench.lm.fakes import tiny_model
from saebench.lm.model import LanguageModel

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gpt2", "gpt_neox", "gemma", "gemma2", "gemma3_text")
KINDS = ("hook_resid_pre", "hook_attn_out", "mlp.hook_post", "hook_mlp_out", "hook_resid_post")


@pytest.fixture(params=FAMILIES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny_model(request.param)


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(4, 64, (2, 11), generator=torch.Generator().manual_seed(1))


def entry_of(lm: LanguageModel, site: str, captured: dict[str, Tensor]) -> Tensor | None:
    entry = lm.entry_site(site)
    return None if entry is None else captured[entry]


def test_resuming_from_every_site_gives_the_logits_of_the_whole_run(lm: LanguageModel, tokens: Tensor) -> None:
    whole = lm.logits(tokens)
    captured = lm.capture(tokens, lm.sites())
    assert whole.std() > 0.5  # the model says something, so that equality means something
    for site in lm.sites():
        resumed = lm.resume(site, captured[site], tokens, entry_of(lm, site, captured))
        assert (resumed - whole).abs().max() < 1e-4, site


def test_splicing_in_what_was_captured_changes_nothing(lm: LanguageModel, tokens: Tensor) -> None:
    whole = lm.logits(tokens)
    captured = lm.capture(tokens, lm.sites())
    for site in lm.sites():
        with lm.spliced(site, lambda acts, site=site: captured[site]):  # type: ignore[misc]
            assert torch.equal(lm.logits(tokens), whole), site


def test_a_splice_and_a_resumption_with_the_same_activations_agree(lm: LanguageModel, tokens: Tensor) -> None:
    captured = lm.capture(tokens, lm.sites())
    whole = lm.logits(tokens)
    for site in lm.sites():
        changed = -2 * captured[site].flip(1)
        with lm.spliced(site, lambda acts, changed=changed: changed):  # type: ignore[misc]
            spliced = lm.logits(tokens)
        resumed = lm.resume(site, changed, tokens, entry_of(lm, site, captured))
        assert (spliced - resumed).abs().max() < 1e-4, site
        assert (spliced - whole).abs().max() > 0.1, site


def test_zeros_at_the_end_of_a_block_leave_nothing_of_the_text(lm: LanguageModel, tokens: Tensor) -> None:
    site = f"blocks.{lm.n_layers - 1}.hook_resid_post"
    zeros = torch.zeros(*tokens.shape, lm.d_model)
    resumed = lm.resume(site, zeros, tokens)
    with lm.spliced(site, torch.zeros_like):
        assert torch.equal(lm.logits(tokens), resumed)
    assert torch.equal(resumed, resumed[:1, :1].expand_as(resumed))


def test_sites_of_a_block_add_up(lm: LanguageModel, tokens: Tensor) -> None:
    """Attention and MLP outputs are what is added to the residual stream, post-norms and parallel blocks included."""
    captured = lm.capture(tokens, lm.sites())
    for layer in range(lm.n_layers):
        pre, attn, _, mlp, post = (captured[f"blocks.{layer}.{kind}"] for kind in KINDS)
        torch.testing.assert_close(pre + attn + mlp, post, atol=1e-4, rtol=1e-4)
        if layer:
            assert torch.equal(pre, captured[f"blocks.{layer - 1}.hook_resid_post"])


def test_the_residual_stream_is_what_transformers_calls_hidden_states(lm: LanguageModel, tokens: Tensor) -> None:
    hidden = lm.hf(input_ids=tokens, output_hidden_states=True).hidden_states
    captured = lm.capture(tokens, lm.sites())
    for layer in range(lm.n_layers):
        assert torch.equal(captured[f"blocks.{layer}.hook_resid_pre"], hidden[layer])


def test_mlp_neurons_pass_through_the_down_projection(tokens: Tensor) -> None:
    lm = tiny_model("llama")
    captured = lm.capture(tokens, lm.sites())
    weight = lm.hf.model.layers[1].mlp.down_proj.weight
    torch.testing.assert_close(captured["blocks.1.mlp.hook_post"] @ weight.T, captured["blocks.1.hook_mlp_out"])


def test_shapes_are_those_of_the_site_table(lm: LanguageModel, tokens: Tensor) -> None:
    captured = lm.capture(tokens, lm.sites())
    assert list(captured) == lm.sites()
    for name, acts in captured.items():
        assert acts.shape == (*tokens.shape, lm.site(name).width)


def counted_blocks(lm: LanguageModel, runs: list[int]) -> list[torch.utils.hooks.RemovableHandle]:
    """Append the index of each block that runs to `runs`."""

    def count(layer: int) -> object:
        return lambda *_: runs.append(layer)

    return [block.register_forward_pre_hook(count(layer)) for layer, block in enumerate(lm._blocks)]


def test_only_the_blocks_above_a_site_run(lm: LanguageModel, tokens: Tensor) -> None:
    captured = lm.capture(tokens, lm.sites())
    runs: list[int] = []
    counted_blocks(lm, runs)
    for kind, expected in zip(KINDS, ([1, 2], [1, 2], [1, 2], [1, 2], [2]), strict=True):
        runs.clear()
        site = f"blocks.1.{kind}"
        lm.resume(site, captured[site], tokens, entry_of(lm, site, captured))
        assert runs == expected, site


def test_capturing_stops_above_the_highest_site(lm: LanguageModel, tokens: Tensor) -> None:
    runs: list[int] = []
    counted_blocks(lm, runs)
    lm.capture(tokens, ["blocks.1.hook_resid_post", "blocks.0.hook_mlp_out"])
    assert runs == [0, 1]
    runs.clear()
    assert lm.capture(tokens, []) == {}
    assert runs == []


def test_the_model_is_as_before_after_every_use_and_after_an_error(lm: LanguageModel, tokens: Tensor) -> None:
    blocks = list(lm._blocks)
    hooks = {name: (len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in lm.hf.named_modules()}
    whole = lm.logits(tokens)
    acts = lm.capture(tokens, ["blocks.1.hook_resid_post"])["blocks.1.hook_resid_post"]

    def fails(acts: Tensor) -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), lm.spliced("blocks.2.hook_attn_out", fails):
        lm.resume("blocks.1.hook_resid_post", acts, tokens)
    with pytest.raises(ZeroDivisionError), lm.spliced("blocks.0.mlp.hook_post", fails):
        lm.capture(tokens, ["blocks.1.hook_resid_post"])
    with pytest.raises(ZeroDivisionError):
        lm.generate(tokens, 2, splice=("blocks.0.hook_resid_post", fails))

    assert all(now is then for now, then in zip(lm._blocks, blocks, strict=True))
    assert hooks == {name: (len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in lm.hf.named_modules()}
    assert torch.equal(lm.logits(tokens), whole)


def test_capturing_inside_a_splice_sees_what_goes_on_upwards(tokens: Tensor) -> None:
    lm = tiny_model("gpt2")
    for site in ("blocks.1.hook_resid_pre", "blocks.1.mlp.hook_post", "blocks.1.hook_resid_post"):
        with lm.spliced(site, torch.zeros_like):
            assert not lm.capture(tokens, [site])[site].any()


def test_two_splices_act_together(tokens: Tensor) -> None:
    lm = tiny_model("llama")
    last = "blocks.2.hook_resid_post"
    with lm.spliced("blocks.2.hook_attn_out", torch.zeros_like), lm.spliced("blocks.2.hook_mlp_out", torch.zeros_like):
        captured = lm.capture(tokens, ["blocks.2.hook_resid_pre", last])
    assert torch.equal(captured["blocks.2.hook_resid_pre"], captured[last])


def test_a_splice_above_the_site_acts_on_a_resumption(tokens: Tensor) -> None:
    lm = tiny_model("llama")
    low, high = "blocks.0.hook_resid_post", "blocks.1.hook_resid_pre"
    acts = lm.capture(tokens, [low])[low]
    with lm.spliced(high, lambda acts: -acts):
        whole = lm.logits(tokens)
        assert torch.equal(lm.resume(low, acts, tokens), whole)


@pytest.mark.parametrize("spliced", ["blocks.0.hook_resid_post", "blocks.1.hook_resid_pre"])
def test_a_splice_that_a_resumption_would_pass_over_is_refused(spliced: str, tokens: Tensor) -> None:
    lm = tiny_model("llama")
    acts = torch.zeros(*tokens.shape, lm.d_model)
    with lm.spliced(spliced, torch.zeros_like), pytest.raises(UsageError, match=spliced):
        lm.resume("blocks.1.hook_resid_pre", acts, tokens)


def test_gradients_reach_the_activations_that_are_fed(tokens: Tensor) -> None:
    lm = tiny_model("llama")
    site = "blocks.1.hook_resid_post"
    acts = lm.capture(tokens, [site])[site].clone().requires_grad_()
    lm.resume(site, acts, tokens)[..., -1, :].sum().backward()
    assert acts.grad is not None
    assert acts.grad[:, -1].abs().max() > 0


def test_logits_of_a_frozen_model_carry_no_graph(tokens: Tensor) -> None:
    assert not tiny_model("llama").logits(tokens).requires_grad


def test_bfloat16_agrees_with_itself_and_nearly_with_float32(tokens: Tensor) -> None:
    exact = tiny_model("llama").logits(tokens)
    lm = tiny_model("llama")
    lm.hf.bfloat16()
    site = "blocks.1.hook_resid_post"
    acts = lm.capture(tokens, [site])[site]
    whole = lm.logits(tokens)
    assert acts.dtype == whole.dtype == lm.dtype == torch.bfloat16
    assert torch.equal(lm.resume(site, acts.float(), tokens), whole)
    assert (whole.float() - exact).abs().mean() < 0.03


def test_gemma_3_with_a_vision_tower_has_its_sites_in_the_text_model(tokens: Tensor) -> None:
    from transformers import AutoModelForCausalLM, Gemma3Config

    text = tiny_model("gemma3_text").hf.config
    vision = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 8,
        "patch_size": 4,
    }
    config = Gemma3Config(text_config=text.to_dict(), vision_config=vision, mm_tokens_per_image=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hf = AutoModelForCausalLM.from_config(config)
    lm = LanguageModel(hf, None, name="tiny gemma 3 with vision")
    whole = lm.logits(tokens)
    captured = lm.capture(tokens, lm.sites())
    for site in lm.sites():
        resumed = lm.resume(site, captured[site], tokens, entry_of(lm, site, captured))
        assert (resumed - whole).abs().max() < 1e-4, site


def test_wrong_input_is_told_clearly(tokens: Tensor) -> None:
    lm = tiny_model("llama")
    with pytest.raises(UnknownName, match=r"blocks\.1\.hook_resid_post"):
        lm.capture(tokens, ["blocks.1.hook_resid_pots"])
    with pytest.raises(UnknownName, match=r"known: blocks\.\{0\.\.2\}\.hook_resid_pre"):
        lm.site("???")
    with pytest.raises(SiteError, match=r"\[2, 11, 8\].*\[2, 11, 16\]"):
        lm.resume("blocks.1.hook_resid_post", torch.zeros(2, 11, 8), tokens)
    with pytest.raises(SiteError, match=r"blocks\.1\.hook_resid_pre"):
        lm.resume("blocks.1.hook_mlp_out", torch.zeros(2, 11, 16), tokens)
    with pytest.raises(SiteError, match="shape"), lm.spliced("blocks.1.hook_resid_post", lambda acts: acts[..., :3]):
        lm.logits(tokens)
