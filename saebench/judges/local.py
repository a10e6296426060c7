"""A Hugging Face instruct model on this machine as a judge, through its tokenizer's chat template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from saebench.errors import InputError
from saebench.fingerprint import digest
from saebench.judges.contract import Answer, Question

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel


class LocalModel:
    """Answers one question at a time with the likeliest tokens: an answer depends on nothing but its question.

    Args:
        lm: an instruct model.
        identity: see `Judge`.

    Raises:
        InputError: its tokenizer has no chat template.
    """

    def __init__(self, lm: LanguageModel, identity: str) -> None:
        template = lm.tokenizer.chat_template
        if not template:
            raise InputError(
                "its tokenizer has no chat template", file=lm.name, remedy="take a model that is tuned to follow chats"
            )
        self.identity = identity
        self.content = digest([lm.fingerprint, lm.tokenizer_hash, str(template), str(lm.dtype)])
        self._lm = lm
        self._longest = getattr(lm.hf.config.get_text_config(), "max_position_embeddings", None)

    def answers(self, questions: Sequence[Question]) -> Iterator[tuple[int, Answer]]:
        """(index, answer) in order."""
        for index, question in enumerate(questions):
            yield index, self._answer(question)

    def _answer(self, question: Question) -> Answer:
        chat = [{"role": one.role, "content": one.content} for one in question.messages]
        text = self._lm.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        # The template writes the special tokens itself.
        ids = self._lm.tokenizer(text, add_special_tokens=False)["input_ids"]
        if self._longest is not None and len(ids) + question.max_tokens > self._longest:
            return Answer(None, f"{len(ids)} tokens and an answer of {question.max_tokens} pass its {self._longest}")
        with torch.no_grad():
            out = self._lm.generate(torch.tensor([ids]), question.max_tokens)
        said: str = self._lm.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True)
        return Answer(said)
