"""Where the sites are in each family of models. One small table a family, looked up by `config.model_type`.

To add a family: write `saebench/lm/families/NAME.py` with a `Family` and register it below under the model type,
or, from a package of your own, with `FAMILIES.add("MODEL_TYPE", Family(...))` or an entry point of the group
`saebench.families`. The tests in `tests/lm/` then ask one thing of it: resuming from any site gives the logits of
the whole run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from saebench.registry import Registry


@dataclass(frozen=True)
class Family:
    """Module paths of one family. All but `blocks` are relative to a block.

    A block is called with the residual stream as first positional argument and returns the residual stream, alone
    or as the first of a tuple.

    Attributes:
        blocks: the list of blocks, from the causal model.
        attn_out: module whose output is what attention adds to the residual stream (after a post-norm, if any).
        mlp_out: module whose output is what the MLP adds to the residual stream (after a post-norm, if any).
        mlp_down: the MLP's down projection; its input is `mlp.hook_post`.
        mlp_width: number of MLP neurons, from the text configuration.
    """

    blocks: str
    attn_out: str
    mlp_out: str
    mlp_down: str
    mlp_width: Callable[[Any], int] = lambda config: int(config.intermediate_size)


FAMILIES: Registry[Family] = Registry(
    "model family",
    group="saebench.families",
    remedy=(
        "(to add it, write saebench/lm/families/NAME.py with Family(blocks, attn_out, mlp_out, mlp_down, mlp_width) "
        "and register it under this model type in saebench/lm/families/__init__.py, or through the entry point "
        "group 'saebench.families')"
    ),
)
for _model_type in ("llama", "mistral", "qwen2", "qwen3"):
    FAMILIES.add(_model_type, "saebench.lm.families.llama:LLAMA")
FAMILIES.add("gpt2", "saebench.lm.families.gpt2:GPT2")
FAMILIES.add("gpt_neox", "saebench.lm.families.gpt_neox:GPT_NEOX")
FAMILIES.add("gemma", "saebench.lm.families.gemma:GEMMA")
FAMILIES.add("gemma2", "saebench.lm.families.gemma:GEMMA_2")
FAMILIES.add("gemma3_text", "saebench.lm.families.gemma:GEMMA_3")
FAMILIES.add("gemma3", "saebench.lm.families.gemma:GEMMA_3_WITH_VISION")
