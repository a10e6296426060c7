"""Data of mode `sae_probes`: the package's own files row by row, repeated prompts where they stand."""

from __future__ import annotations

import numpy as np

from saebench.assets import fetch
from saebench.data.labelled import labelled
from saebench.data.probing_sets import ASSET, PROBING_SETS, raw_table
from saebench.data.text_rows import rows_of_texts
from saebench.data.texts import Document
from saebench.errors import ConfigError, DataError
from saebench.lm.model import LanguageModel
from saebench.tasks.sparse_probing.compat import MOST_ROWS, encoded_labels, standard_question
from saebench.tasks.sparse_probing.params import ProbingParams
from saebench.tasks.sparse_probing.probes import Asked
from saebench.tasks.sparse_probing.questions import ProbedSet, Question, set_names


def raw_rows(name: str) -> tuple[list[str], list[str]]:
    """Prompts and targets of a packaged file, every row of it.

    Raises:
        ConfigError: it is no packaged file of two classes.
    """
    if PROBING_SETS.get(name, {}).get("kind") != "binary":
        raise ConfigError(
            f"mode sae_probes knows the two-class files of that package alone, not '{name}'", field="datasets"
        )
    path = fetch(ASSET) / str(PROBING_SETS[name]["file"])
    cells = [(row["prompt"], row["target"]) for _, row in raw_table(path)][:MOST_ROWS]
    return [prompt for prompt, _ in cells], [target for _, target in cells]


def compat_sets(params: ProbingParams, lm: LanguageModel, seed: int) -> tuple[ProbedSet, ...]:
    """The sets of the parameters, split as the package splits them."""
    return tuple(compat_set(name, params, lm, seed) for name in set_names(params))


def compat_set(name: str, params: ProbingParams, lm: LanguageModel, seed: int) -> ProbedSet:
    """One set. The model reads each prompt once; rows of the question point to it as often as the file holds it."""
    prompts, targets = raw_rows(name)
    asked = standard_question(encoded_labels(targets), seed)
    texts = list(dict.fromkeys(prompts[row] for row in np.sort(np.concatenate([asked.train, asked.test]))))
    place = {text: index for index, text in enumerate(texts)}
    hashes = [Document("", text).hash for text in texts]
    clean = labelled(name)
    aliases = {example.hash: example.hashes for example in clean.examples}
    rows = rows_of_texts(
        texts,
        lm.tokenizer,
        tokenizer_hash=lm.tokenizer_hash,
        context=params.context,
        ids=hashes,
        name=name,
        licence=clean.licence,
    )
    if not rows.mask.any(axis=1).all():
        raise DataError("a prompt holds no token that counts", file=name)
    train, test = (np.array([place[prompts[row]] for row in part]) for part in (asked.train, asked.test))
    leaked = int(np.isin(test, train).sum())
    about = {
        "rows": len(prompts),
        "texts": rows.n_rows,
        "test_rows_that_are_trained_on": leaked,
        "cut": rows.packing["cut"],
        "mark": clean.mark,
        "family": clean.family,
    }
    question = Question(name, Asked(train, asked.y_train, test, asked.y_test))
    return ProbedSet(name, clean.family, rows, tuple(aliases.get(one, (one,)) for one in hashes), (question,), about)
