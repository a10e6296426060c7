"""A language model of ours, with something spliced in at a site or not, as a model that lm-eval can evaluate.

Importing this module imports lm-eval; nothing else of saebench does so by itself.

::

    import lm_eval
    from saebench.lm.lm_eval_model import SplicedLM
    lm_eval.simple_evaluate(SplicedLM(lm, splice=("blocks.9.hook_resid_post", edit)), tasks=["arc_easy"])
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import (
    handle_stop_sequences,
    normalize_gen_kwargs,
    postprocess_generated_text,
    resolve_max_length,
)
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from torch import Tensor

from saebench.errors import InputError
from saebench.lm.generation import padding_id
from saebench.lm.model import LanguageModel

Edit = Callable[[Tensor], Tensor]
"""Activations `[n, width]` of single tokens to others of the same shape."""

Tokens = tuple[tuple[str, str] | None, list[int], list[int]]
"""What lm-eval hands over: texts, context tokens, continuation tokens."""

MAX_NEW_TOKENS = 256
"""Where a task does not say how far to go on (lm-eval's own number)."""


class SplicedLM(TemplateLM):  # type: ignore[misc]
    """Answers lm-eval's three kinds of request: log-likelihood, rolling log-likelihood, generation.

    Without a splice and with the default `begin_of_text` its answers are those of lm-eval's own `HFLM` on the same
    model, up to rounding.

    The edit of a splice is applied to each token by itself, at every position that counts: not to padding, special
    tokens, or the first token of a row, whose huge activation holds no text (see `saebench.data.layout`). With a
    generation all new tokens count.

    Args:
        lm: the model.
        splice: name of a site, and what is done to its activations there.
        batch_size: rows in a forward pass.
        begin_of_text: begin every row with the model's begin-of-text token, as the rows of saebench's own tasks do;
            otherwise a row begins as the tokenizer begins a text, which is lm-eval's way.

    Raises:
        UnknownName: for a wrong site.
    """

    def __init__(
        self,
        lm: LanguageModel,
        *,
        splice: tuple[str, Edit] | None = None,
        batch_size: int = 16,
        begin_of_text: bool = False,
    ) -> None:
        super().__init__()
        if splice is not None:
            lm.site(splice[0])
        self.lm = lm
        self.tokenizer = lm.tokenizer
        self._splice = splice
        self._batch_size = batch_size
        self._begin = begin_of_text
        self._special = torch.tensor(sorted(set(lm.tokenizer.all_special_ids)), device=lm.device)

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """The token in front of a text that has no context."""
        return self.lm.bos_id

    @property
    def max_length(self) -> int:
        """Longest row in tokens; longer ones lose their beginning."""
        return int(resolve_max_length(self.lm.hf.config, self.tokenizer))

    @property
    def tokenizer_name(self) -> str:
        """For lm-eval's cache of requests."""
        return self.lm.tokenizer_hash

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A conversation as one text, by the tokenizer's own template."""
        text: str = self.tokenizer.apply_chat_template(
            chat_history,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )
        return text

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        """Token ids of a text, the begin-of-text token of its row included where there is one."""
        if self._begin:
            return [self.lm.bos_id, *self.tokenizer.encode(string, add_special_tokens=False)]
        if add_special_tokens is None and string.startswith(self.tokenizer.decode(self.prefix_token_id)):
            add_special_tokens = False
        extra = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
        ids: list[int] = self.tokenizer.encode(string, **extra)
        return ids

    @torch.no_grad()
    def _loglikelihood_tokens(self, requests: Sequence[Tokens], **kwargs: Any) -> list[tuple[float, bool]]:
        """Log-likelihood of each continuation, and whether every token of it is the likeliest; rows that read the same
        tokens run once.

        Raises:
            InputError: a continuation is longer than the model's longest row.
        """
        asked: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, (_, context, continuation) in enumerate(requests):
            if not 0 < len(continuation) <= self.max_length:
                raise InputError(
                    f"a continuation has {len(continuation)} tokens; 1 to {self.max_length} are possible",
                    field="continuation",
                )
            asked[tuple((context + continuation)[-(self.max_length + 1) :][:-1])].append(number)
        answers: dict[int, tuple[float, bool]] = {}
        for rows in self._batched(sorted(asked, key=lambda ids: (-len(ids), ids))):
            answers |= self._score(rows, asked, requests)
        made = [answers[number] for number in range(len(requests))]
        for (texts, _, _), answer in zip(requests, made, strict=True):
            if texts is not None:
                self.cache_hook.add_partial("loglikelihood", texts, answer)
        return made

    def _score(
        self, rows: list[tuple[int, ...]], asked: dict[tuple[int, ...], list[int]], requests: Sequence[Tokens]
    ) -> dict[int, tuple[float, bool]]:
        """Answers to all requests that read one of some rows, which come longest first."""
        length = len(rows[0])
        pad = padding_id(self.lm)
        tokens = torch.tensor([[*ids, *[pad] * (length - len(ids))] for ids in rows], device=self.lm.device)
        there = torch.tensor([[True] * len(ids) + [False] * (length - len(ids)) for ids in rows], device=self.lm.device)
        longest = {ids: max(len(requests[number][2]) for number in asked[ids]) for ids in rows}
        start = min(len(ids) - longest[ids] for ids in rows)
        with self._spliced(tokens, there):
            logits = self.lm.logits(tokens, torch.arange(start, length))
        found = {}
        for ids, own in zip(rows, logits, strict=True):
            for number in asked[ids]:
                targets = torch.tensor(requests[number][2], device=own.device)
                end = len(ids) - start
                log_p = own[end - len(targets) : end].float().log_softmax(1)
                likely = log_p.gather(1, targets[:, None]).sum()
                found[number] = (float(likely), bool((log_p.argmax(1) == targets).all()))
        return found

    def loglikelihood_rolling(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts, in windows of the longest row where they are longer."""
        totals = []
        for request in requests:
            (text,) = request.args
            ids = self.tokenizer.encode(text, add_special_tokens=False) if self._begin else self.tok_encode(text)
            windows = get_rolling_token_windows(
                token_list=ids, prefix_token=self.prefix_token_id, max_seq_len=self.max_length, context_len=1
            )
            parts: list[Tokens] = [(None, *make_disjoint_window(window)) for window in windows]
            total = sum(likely for likely, _ in self._loglikelihood_tokens(parts))
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), total)
            totals.append(total)
        return totals

    @torch.no_grad()
    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """Continuations of texts up to the first of their stop sequences; drawn, where a task asks for that, with
        torch's global seed, which lm-eval sets."""
        alike: dict[str, list[int]] = defaultdict(list)
        for number, request in enumerate(requests):
            alike[repr(sorted(request.args[1].items()))].append(number)
        said: dict[int, str] = {}
        for numbers in alike.values():
            encoded = {number: self.tok_encode(requests[number].args[0]) for number in numbers}
            for batch in self._batched(sorted(numbers, key=lambda number: -len(encoded[number]))):
                texts = self._continue([encoded[number] for number in batch], requests[batch[0]].args[1])
                said |= dict(zip(batch, texts, strict=True))
        for number, request in enumerate(requests):
            self.cache_hook.add_partial("generate_until", request.args, said[number])
        return [said[number] for number in range(len(requests))]

    def _continue(self, contexts: list[list[int]], asked: dict[str, Any]) -> list[str]:
        """The texts that follow contexts, under one set of lm-eval's generation settings.

        Raises:
            InputError: the settings leave no room for a context.
        """
        from transformers import GenerationConfig, StoppingCriteriaList

        settings = dict(normalize_gen_kwargs(asked, MAX_NEW_TOKENS))
        until = handle_stop_sequences(settings.pop("until"), eos=self.tokenizer.decode(self.eot_token_id))
        new = int(settings.pop("max_gen_toks"))
        room = self.max_length - new
        if room <= 0:
            raise InputError(
                f"{new} new tokens leave no room for a context in rows of {self.max_length}", field="max_gen_toks"
            )
        if not settings["do_sample"]:
            settings.pop("temperature", None)
        contexts = [ids[-room:] for ids in contexts]
        width, pad = max(map(len, contexts)), padding_id(self.lm)
        tokens = torch.tensor([[pad] * (width - len(ids)) + ids for ids in contexts], device=self.lm.device)
        there = torch.tensor(
            [[False] * (width - len(ids)) + [True] * len(ids) for ids in contexts], device=self.lm.device
        )

        def stopped(ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
            texts = self.tokenizer.batch_decode(ids[:, width:])
            return torch.tensor([any(stop in text for stop in until if stop) for text in texts], device=ids.device)

        config = GenerationConfig(
            max_new_tokens=new, use_cache=True, eos_token_id=self.eot_token_id, pad_token_id=pad, **settings
        )
        with self._spliced(tokens, there):
            out = self.lm.hf.generate(
                tokens,
                attention_mask=there.long(),
                generation_config=config,
                stopping_criteria=StoppingCriteriaList([stopped]),
            )
        texts = [self.tokenizer.decode(row, skip_special_tokens=True) for row in out[:, width:].tolist()]
        return [postprocess_generated_text(text, until, None) for text in texts]

    def _spliced(self, tokens: Tensor, there: Tensor) -> AbstractContextManager[None]:
        """The splice for passes that begin with `tokens` `[b, T]`; `there` is False at padding."""
        if self._splice is None:
            return nullcontext()
        site, edit = self._splice
        behind_first = there.long().cumsum(1) > 1
        pending = [behind_first & there & ~torch.isin(tokens, self._special)]

        def fn(acts: Tensor) -> Tensor:
            # A generation reads its prompt in one call, and then new tokens alone.
            counts = pending.pop() if pending else torch.ones(acts.shape[:2], dtype=torch.bool, device=acts.device)
            edited = acts.clone()
            edited[counts] = edit(acts[counts]).to(acts.dtype)
            return edited

        return self.lm.spliced(site, fn)

    def _batched(self, rows: list[Any]) -> Iterator[list[Any]]:
        """Lists of at most `batch_size`."""
        for start in range(0, len(rows), self._batch_size):
            yield rows[start : start + self._batch_size]
