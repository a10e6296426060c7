"""Instructions as prompts of a model, which of them a concept gets, and the prompt that asks for the concept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from saebench.lm.generation import padding_id
from saebench.lm.model import LanguageModel
from saebench.lm.steering import Prompts

EXAMPLES = 3
"""Positive training texts that stand for a concept where it is asked for or judged."""
LETTERS = 200
"""Characters of each of them."""
ASKING = "Here are some texts:\n\n{texts}\n\nWrite like these texts, and about the same things. {instruction}"


def prompts_of(lm: LanguageModel, texts: Sequence[str]) -> Prompts:
    """Texts as prompts: in the chat template of the model where it has one, else each on a line of its own."""
    return Prompts.of([prompt_ids(lm, text) for text in texts], padding_id(lm))


def prompt_ids(lm: LanguageModel, text: str) -> list[int]:
    """Token ids of a prompt, begin-of-text token first."""
    tokenizer = lm.tokenizer
    if tokenizer.chat_template:
        turn = [{"role": "user", "content": text}]
        ids = tokenizer.apply_chat_template(turn, tokenize=True, add_generation_prompt=True, return_dict=False)
    else:
        ids = tokenizer(f"{text}\n", add_special_tokens=False)["input_ids"]
    return [*([] if ids and ids[0] == lm.bos_id else [lm.bos_id]), *ids]


def drawn(instructions: Sequence[str], count: int, concept: str, seed: int) -> list[int]:
    """Which instructions a concept gets: the first `count` in the order of SHA-256 over seed, concept and text."""

    def key(index: int) -> bytes:
        return hashlib.sha256(f"{seed}:{concept}:{instructions[index]}".encode()).digest()

    return sorted(range(len(instructions)), key=key)[:count]


def shown(examples: Sequence[str]) -> tuple[str, ...]:
    """The beginnings of the first few texts."""
    return tuple(one[:LETTERS].strip() for one in examples[:EXAMPLES])


def asking(instruction: str, examples: Sequence[str]) -> str:
    """The instruction, after texts that bear the concept and the request to write like them."""
    return ASKING.format(texts="\n\n".join(examples), instruction=instruction)
