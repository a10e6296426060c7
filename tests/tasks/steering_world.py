"""A model that walks in circles: every letter is followed by the next one of its circle, whatever stood before.

Activations are one-hot letters, so that it is known what a direction says: along the letters of a circle it makes the
model go there. Instructions start the model in one of four circles; the concept is a fifth one.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch

from saebench.lm.fakes import tiny_tokenizer
from saebench.lm.model import LanguageModel
from saebench.tasks.steering.params import SteeringParams

SITE = "blocks.0.hook_resid_post"
CIRCLES = ("abcdefgh", "ijklmnop", "qrstuvwx", "01234567")
CONCEPT = "yz89!?:;"
VOCAB = 64
TEMPLATE = "{{ messages[0]['content'] }}"


def circle_model() -> LanguageModel:
    """Three blocks that add nothing between one-hot embeddings and the next letter."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        "llama",
        vocab_size=VOCAB,
        hidden_size=VOCAB,
        intermediate_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    hf, tokenizer = AutoModelForCausalLM.from_config(config), tiny_tokenizer(VOCAB)
    tokenizer.chat_template = TEMPLATE
    following = torch.zeros(VOCAB, VOCAB)
    for circle in (*CIRCLES, CONCEPT):
        ids = tokenizer(circle, add_special_tokens=False)["input_ids"]
        following[ids[1:] + ids[:1], ids] = 1
    with torch.no_grad():
        for name, parameter in hf.named_parameters():
            parameter.fill_(1.0 if "norm" in name else 0.0)
        hf.model.embed_tokens.weight.copy_(torch.eye(VOCAB))
        hf.lm_head.weight.copy_(following)
    return LanguageModel(hf, tokenizer, name="circles")


def walk(circle: str, draw: random.Random, length: int) -> str:
    """Letters of a circle from some place on."""
    start = draw.randrange(len(circle))
    return "".join(circle[(start + step) % len(circle)] for step in range(length))


def write_concept(folder: Path, name: str = "circle", circle: str = CONCEPT, *, known: bool = True) -> Path:
    """A labelled set: walks in a circle against walks in others. Not `known`: labels that say nothing."""
    draw = random.Random(0)
    rows = []
    for number in range(160):
        positive = number % 2 == 0
        text = walk(circle if positive and known else draw.choice(CIRCLES), draw, draw.randint(9, 14))
        rows.append(f'"{text} {draw.randrange(1000)}",{int(positive)}')
    (folder / f"{name}.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nfile: {name}.csv\n")
    return path


def write_instructions(folder: Path) -> Path:
    """Prompts, each a walk that ends somewhere in a circle."""
    draw = random.Random(1)
    path = folder / "instructions.txt"
    path.write_text("\n".join(walk(circle, draw, 5 + number) for circle in CIRCLES for number in range(4)))
    return path


def settings(folder: Path, **changed: object) -> SteeringParams:
    """A small budget on one concept."""
    given = {
        "concepts": (str(write_concept(folder)),),
        "instructions": str(write_instructions(folder)),
        "train_rows": 40,
        "detector_rows": 60,
        "context": 20,
        "prompts": 8,
        "factors": (20.0,),
        "unit": "reach",
        "new_tokens": 8,
    }
    return SteeringParams.model_validate({**given, **changed})
