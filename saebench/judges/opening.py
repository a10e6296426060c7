"""From the name of a judge to one that can be asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from saebench.assets.cache import cache_folder
from saebench.fingerprint import digest
from saebench.judges.contract import Judge, Respondent
from saebench.judges.exchanges import Exchanges
from saebench.judges.recorded import RecordedJudge, ReplayJudge
from saebench.judges.spec import JudgeSpec, parse_judge

if TYPE_CHECKING:
    from saebench.progress import Progress


def open_judge(
    name: str, *, folder: Path | None = None, device: str = "auto", progress: Progress | None = None
) -> Judge:
    """The judge of that name; nothing is asked yet.

    Args:
        name: see `saebench.judges.spec`.
        folder: where exchanges are recorded, one file a judge; default ``judges`` in the cache.
        device: of a local model.
        progress: where fetching a packaged model reports.

    Raises:
        UsageError: it is no judge, or the variable of its key is not set.
        InputError: a file or a model cannot be read.
    """
    spec = parse_judge(name)
    if spec.kind == "replay":
        return ReplayJudge(Path(spec.where))
    respondent = _respondent(spec, device, progress)
    readable = re.sub(r"[^\w.-]+", "-", respondent.identity)
    file = f"{readable}-{digest([respondent.identity, respondent.content])[:8]}.jsonl"
    return RecordedJudge(respondent, Exchanges((folder or cache_folder() / "judges") / file))


def _respondent(spec: JudgeSpec, device: str, progress: Progress | None) -> Respondent:
    if spec.kind == "hf":
        from saebench.judges.local import LocalModel
        from saebench.lm.model import load_model

        return LocalModel(load_model(spec.where, device=device, progress=progress), spec.identity())
    from saebench.judges.endpoint import Endpoint

    return Endpoint(
        spec.where,
        spec.model,
        spec.key_value(),
        timeout_s=spec.timeout_s,
        attempts=spec.attempts,
        parallel=spec.parallel,
        identity=spec.identity(),
    )
