"""Tokenizers made in code: one token a character or one token a word."""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def by_byte(**special: str) -> Any:
    """Byte-level without merges; ``<s>`` begins, ``</s>`` ends, ``<pad>`` fills, unless told otherwise."""
    special = special or {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    names = ["<s>", "</s>", "<pad>", "<unk>"]
    vocabulary = {name: index for index, name in enumerate(names)}
    vocabulary |= {letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()), start=4)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in special.values()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def by_word(*words: str) -> Any:
    """One id a known word; every other word is the special id ``<unk>``."""
    vocabulary = {word: index for index, word in enumerate(["<s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")
