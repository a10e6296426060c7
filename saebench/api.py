"""The Python interface: what the command line does, as functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, cast

from saebench.errors import UnitsFailed

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary
    from saebench.results.comparison import Comparison
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


def compare(results: Results | str | Path, *, base: str | None = None) -> list[Comparison]:
    """Tables of paired differences, one for each task and metric of the headline.

    Args:
        results: what `evaluate` gave, or a results folder.
        base: subject that paired differences are taken to; None: no differences.
    """
    from saebench.report.comparing import compare_results
    from saebench.results.frame import Results

    read = results if isinstance(results, Results) else Results.read(Path(results))
    return compare_results(read, base=base)
