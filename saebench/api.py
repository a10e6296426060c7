"""The Python interface: what the command line does, as functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Literal, cast

from saebench.errors import UnitsFailed

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary
    from saebench.report.comparing import Tables
    from saebench.results.frame import Results


def load(spec: str | Path | object) -> Dictionary:
    """A dictionary from a path, a foreign specification, or an object with `encode`, `decode` and `W_dec`.

    Raises:
        CheckpointError: it cannot be read or is not sound.
        UnknownName: unknown prefix.
    """
    from saebench.dictionaries.contract import Dictionary
    from saebench.dictionaries.foreign import adapt
    from saebench.subjects import load_dictionary

    if isinstance(spec, str | Path):
        return load_dictionary(str(spec))
    return spec if isinstance(spec, Dictionary) else adapt(spec)


def fit(
    spec: str,
    suite: str = "quick",
    *,
    lm: str | None = None,
    site: str | None = None,
    device: str = "auto",
    dtype: str | None = None,
) -> Dictionary:
    """A baseline or control, fitted on the fit part of a suite's data; `save` keeps it.

    ::

        itda = saebench.fit("baseline:itda?l0=32&d_dict=2048", lm="smollm2-135m-instruct")
        saebench.save(itda, "my_itda")          # a folder: `saebench run quick --subject my_itda`

    It is the dictionary that `saebench run SUITE --subject SPEC` scores, and a fit is made once and found in the cache
    from then on.

    Args:
        spec: as `baseline:itda?l0=32&d_dict=2048`; 'saebench ls baselines' lists them.
        suite: name or path of the suite whose model, site, data and defaults are taken.
        lm, site, dtype: override the suite's.
        device: where it is fitted.

    Raises:
        UsageError: `spec` names no single dictionary, or has a parameter that it cannot have.
        SiteError: the method cannot use activations of this site.
    """
    from saebench.errors import UsageError
    from saebench.progress import Silent
    from saebench.run.evaluate import Settings, set_scene
    from saebench.run.suite import load_suite
    from saebench.subjects import kind_of, resolve

    if (kind := kind_of(spec)) != "dictionary":
        remedy = "tasks fit it on their concepts" if kind == "concept" else "fit its dictionaries one by one"
        raise UsageError(f"'{spec}' is a {kind}: {remedy}")
    scene = set_scene(load_suite(suite), Settings(Path(), lm, device=device, dtype=dtype), Silent())
    where = site or scene.suite.site
    if where is None:
        raise UsageError(f"suite {suite} names no site: name one with site=")
    return resolve(spec, scene.stage(where, scene.suite.eval_seeds[0])).dictionary()


def save(dictionary: Dictionary, folder: str | Path) -> Path:
    """Write a dictionary into a folder, which is a subject from then on: `load` and every command read it.

    Raises:
        UsageError: it is a stranger's object, of which only its own library knows how to save it.
        CheckpointError: the dictionary is not sound.
        StorageError: the disk is full or the folder cannot be written.
    """
    from saebench.dictionaries import checkpoints
    from saebench.dictionaries.autoencoder import SparseAutoencoder
    from saebench.dictionaries.fixed import FixedDictionary
    from saebench.errors import UsageError

    if not isinstance(dictionary, SparseAutoencoder | FixedDictionary):
        raise UsageError(f"a {type(dictionary).__name__} is saved by the library that it comes from")
    return checkpoints.save(dictionary, folder)


def evaluate(
    subjects: str | object | Iterable[str | object],
    suite: str = "quick",
    *,
    lm: str | None = None,
    site: str | None = None,
    out: str | Path | None = None,
    seeds: Sequence[int] | None = None,
    device: str = "auto",
    dtype: str | None = None,
    batch_size: int | None = None,
) -> Results:
    """Score subjects with a suite, the suite's controls beside them.

    Args:
        subjects: specifications, dictionaries, or objects with `encode`, `decode` and `W_dec`; one or several.
        suite: name or path of a suite.
        lm, site, seeds, dtype: override the suite's; `site` is needed where a dictionary names none.
        out: results folder; None: a temporary one.
        batch_size: rows whose logits exist at once.

    Raises:
        UnitsFailed: some subjects failed; the rest is stored in `out`.
    """
    from saebench.results.frame import Results
    from saebench.run.evaluate import Settings, run_suite

    single = isinstance(subjects, str) or not isinstance(subjects, Iterable)
    several = [subjects] if single else list(cast("Iterable[str | object]", subjects))
    folder = Path(mkdtemp(prefix="saebench-")) if out is None else Path(out)
    settings = Settings(folder, lm, site, tuple(seeds) if seeds else None, device, dtype, batch_size)
    outcome = run_suite([one if isinstance(one, str) else load(one) for one in several], suite, settings)
    if outcome.failures:
        reasons = "; ".join(f"{failure.subject}: {failure.message}" for failure in outcome.failures)
        raise UnitsFailed(f"{reasons} (the rest is stored in {folder})")
    return Results.of(outcome.records, folder)


def compare(
    results: Results | str | Path,
    *,
    base: str | None = None,
    task: str | None = None,
    suite: str | None = None,
    metrics: Sequence[str] | None = None,
    by: Literal["subject", "architecture"] = "subject",
    aggregate: bool = False,
    expand: bool = False,
) -> Tables:
    """Subjects side by side: values, intervals, tie letters, ranks within bands of L0, paired differences.

    ::

        tables = saebench.compare("results", base="pca-l0-32")
        tables.frame             # pandas: one row a subject and metric
        print(tables)            # Markdown; to_latex(), to_csv(), to_json()

    Args:
        results: what `evaluate` gave, or a results folder.
        base: subject, or architecture, that differences are taken to; None: no differences.
        task: `id@version`; None: every task.
        suite: by name, with or without its version; None: every suite.
        metrics: names of metrics; None: the headline of each task's card.
        by: what is a row. Architectures are pooled over training seeds and L0.
        aggregate, expand: whether aggregates over tasks come first, and with their parts beside them.
    """
    from saebench.report.comparing import compare_results
    from saebench.results.frame import Results

    read = results if isinstance(results, Results) else Results.read(Path(results))
    return compare_results(
        read, base=base, task=task, suite=suite, metrics=metrics, by=by, aggregate=aggregate, expand=expand
    )
