"""`autointerp@1`, from top to bottom: data, protocol, item scores.

Data: the suite's evaluation part, cut into short windows. Protocol: latents are drawn in an order that depends on the
seed and the width alone; one pass over the tokens gives their codes; the first that fire in windows enough are
explained by the judge from some windows and tested on others, with their own explanation and with another latent's.
Item scores: one row a latent. Each exchange with the judge is recorded when it is made, so that a run that was killed
asks only for the rest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from saebench.errors import ConfigError, DataError
from saebench.judges import open_judge
from saebench.judges.spec import FORMS, VARIABLE
from saebench.lm.model import LanguageModel
from saebench.lm.synthetic.presets import is_synthetic
from saebench.results.schema import DataRecord
from saebench.tasks.autointerp.account import finish
from saebench.tasks.autointerp.card import CARD
from saebench.tasks.autointerp.examples import Examples, examples_of
from saebench.tasks.autointerp.params import CANDIDATES, AutointerpParams
from saebench.tasks.autointerp.scoring import Tested, judge_all
from saebench.tasks.autointerp.texts import pieces
from saebench.tasks.autointerp.windows import Windows, codes_of
from saebench.tasks.contract import Bench, Params, Request, Scores, Subject, Task


class Autointerp(Task):
    """Scores a dictionary by what a judge can do with explanations of its latents. Metrics: `card.METRICS`."""

    card = CARD
    parameters = AutointerpParams

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        """None of its own: here the plan is told what is missing.

        Raises:
            ConfigError: no judge is named.
            DataError: the model is a synthetic world, whose texts are numbers.
        """
        assert isinstance(params, AutointerpParams)
        if not params.judge:
            raise ConfigError(
                f"{CARD.name} needs a judge, and none is named",
                field="judge",
                remedy=f"set the environment variable {VARIABLE}, or 'judge' under the task's params, to {FORMS}; "
                "offline: hf:smollm2-135m-instruct",
            )
        if is_synthetic(lm.name):
            raise DataError(f"texts of {lm.name} are numbers: there is nothing to explain")
        return ()

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return (Request(subject.site),)

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """One subject after the other.

        Raises:
            DataError: no window fits into the evaluated rows.
        """
        params = bench.params
        assert isinstance(params, AutointerpParams)
        site = subjects[0].site
        data = bench.activations(Request(site))
        windows = Windows.of(data.rows, params.window)
        if not len(windows.tokens):
            raise DataError(f"no {params.window} neighbouring tokens of one document", field=data.rows.name)
        judge = open_judge(params.judge, device=str(bench.lm.device), progress=bench.progress)
        scores = {}
        with bench.progress.bar(f"{CARD.name} {site}", len(subjects), "subject") as bar:
            for subject in bench.alive(subjects):
                with bench.guard(subject):
                    began = time.perf_counter()
                    dictionary = subject.dictionary()
                    order = np.random.default_rng([bench.eval_seed, dictionary.d_dict]).permutation(dictionary.d_dict)
                    looked_at = order[: CANDIDATES * params.latents].tolist()
                    codes = codes_of(dictionary, looked_at, data, bench)
                    tested, fates = sampled(codes, looked_at, windows, params.latents, bench)
                    judge_all(tested, judge, np.random.default_rng([bench.eval_seed, dictionary.d_dict, 1]))
                    scores[subject.fingerprint] = finish(
                        tested, fates, judge.identity, params.prompts, time.perf_counter() - began
                    )
                bar.advance()
        return scores


def sampled(
    codes: Any, looked_at: Sequence[int], windows: Windows, most: int, bench: Bench
) -> tuple[list[Tested], dict[int, str]]:
    """The first `most` latents that can be tested, with their examples, and the fate of all that were looked at.

    Args:
        codes: CSC `[tokens, len(looked_at)]`.
        looked_at: the latents, in their order.
        windows: of the tokens.
        most: how many are wanted.
        bench: its tokenizer and seed.
    """
    tested: list[Tested] = []
    fates: dict[int, str] = {}
    for place, latent in enumerate(looked_at):
        values = windows.values(codes[:, [place]].toarray()[:, 0])
        made = examples_of(values, np.random.default_rng([bench.eval_seed, latent]))
        fates[latent] = made if isinstance(made, str) else "testable"
        if isinstance(made, Examples) and len(tested) < most:
            rate = float((values != 0).mean())
            tested.append(Tested(latent, rate, made, texts_of(made, windows, bench)))
    return tested, fates


def texts_of(examples: Examples, windows: Windows, bench: Bench) -> dict[int, list[str]]:
    """The text of the tokens of each window of a latent's examples."""
    used = {one.window for one in (*examples.shown, *examples.held_out)}
    return {window: pieces(bench.lm.tokenizer, windows.tokens[window].tolist()) for window in used}
