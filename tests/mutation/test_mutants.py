"""Do the tests notice? Each mutant breaks one thing on purpose in a copy; its tests must fail there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TASK = "saebench/tasks/reconstruction/task.py"
CARD = "saebench/tasks/reconstruction/card.py"
RECONSTRUCTION = "tests/tasks/test_reconstruction.py"

MUTANTS = [
    pytest.param(
        TASK, "(x - mean).square().sum(1)", "x.square().sum(1)", RECONSTRUCTION, id="variance about zero, not the mean"
    ),
    pytest.param(
        TASK,
        "predicts = mask[:, :-1] & mask[:, 1:]",
        "predicts = mask[:, 1:]",
        RECONSTRUCTION,
        id="masked losses count",
    ),
    pytest.param(
        TASK,
        "changed = block.x.clone()",
        "changed = torch.zeros_like(block.x)",
        RECONSTRUCTION,
        id="masked positions are ablated too",
    ),
    pytest.param(
        "saebench/tasks/reconstruction/clean.py",
        "(log_p - log_q)",
        "(log_q - log_q)",
        RECONSTRUCTION,
        id="divergence from itself",
    ),
    pytest.param(TASK, "(fired == 0).astype", "(fired <= 1).astype", RECONSTRUCTION, id="nearly dead counts as dead"),
    pytest.param(
        CARD,
        '{"ce_zero": 1, "ce_clean": -1}',
        '{"ce_zero": 1, "ce_spliced": -1}',
        RECONSTRUCTION,
        id="wrong denominator",
    ),
    pytest.param(
        TASK, "fired[key] = arrays", "fired[key] = 0 * arrays", RECONSTRUCTION, id="a resumed run forgets what fired"
    ),
    pytest.param(
        "saebench/lm/model.py",
        "tokens.to(self.device)",
        "tokens.to(self.device).flip(1)",
        "tests/lm",
        id="text reversed",
    ),
    pytest.param(
        "saebench/data/layout.py",
        "mask[here] = counts",
        "mask[here] = True | counts",
        "tests/data",
        id="specials count",
    ),
    pytest.param(
        "saebench/dictionaries/codes.py",
        "return (self.values != 0).sum(1)",
        "return (self.values > 0).sum(1)",
        "tests/dictionaries/test_codes.py",
        id="negative codes do not count",
    ),
    pytest.param(
        "saebench/fingerprint.py", "sort_keys=True", "sort_keys=False", "tests/test_fingerprint.py", id="order of keys"
    ),
    pytest.param(
        "saebench/tasks/absorption/measures.py",
        "q = np.minimum(p, a - m)",
        "q = p",
        "tests/tasks/test_absorption.py",
        id="absorbers carry more than there is",
    ),
    pytest.param(
        "saebench/tasks/absorption/selection.py",
        "weight * usual",
        "weight",
        "tests/tasks/test_absorption.py",
        id="a latent of one word stands for its letter",
    ),
    pytest.param(
        "saebench/stats/jackknife.py",
        "kept = (owners != name) & (partners != name)",
        "kept = owners != name",
        "tests/stats/test_jackknife.py",
        id="a pair survives one of its seeds",
    ),
    pytest.param(
        "saebench/stats/reliability.py",
        "SINGLE_SEED = 1.96 * math.sqrt(2)",
        "SINGLE_SEED = 1.96",
        "tests/stats/test_reliability.py",
        id="two scores are as sure as one",
    ),
    pytest.param(
        "saebench/judges/recorded.py",
        "if known is not None and known.text is not None",
        "if known is not None",
        "tests/judges/test_endpoint.py",
        id="a judge that failed once is never asked again",
    ),
    pytest.param(
        "saebench/tasks/autointerp/scoring.py",
        "cycle[1:] + cycle[:1]",
        "cycle",
        "tests/tasks/test_autointerp.py",
        id="a latent's own explanation stands for a shuffled one",
    ),
    pytest.param(
        "saebench/tasks/autointerp/scoring.py",
        "elif answer is None or not answer.answered:",
        "elif answer is None or answer.value is None:",
        "tests/tasks/test_autointerp.py",
        id="latents whose answers cannot be read are dropped",
    ),
    pytest.param(
        "saebench/tasks/autointerp/examples.py",
        "(values == 0).all(1)",
        "values.max(1) <= 0",
        "tests/tasks/test_autointerp_parts.py",
        id="a window in which a signed latent fires counts as inactive",
    ),
    pytest.param(
        "saebench/tasks/unlearning/curve.py",
        "choose(self.forget_validation, self.retain_validation)",
        "choose(self.forget_test, self.retain_test)",
        "tests/tasks/test_unlearning.py",
        id="configurations are chosen on the questions that are reported",
    ),
    pytest.param(
        "saebench/tasks/unlearning/edits.py",
        "torch.where(values[rows] != 0, target, 0.0)",
        "target.expand(len(rows), -1)",
        "tests/tasks/test_unlearning.py",
        id="latents are clamped where they are not active",
    ),
    pytest.param(
        "saebench/lm/steering.py",
        "layer.keys[: len(prompt_of)] = own.keys",
        "pass",
        "tests/lm/test_continuations.py",
        id="steered rows remember the plain prompt",
    ),
    pytest.param(
        "saebench/lm/steering.py",
        "text = (mask & (positions > 0))[..., None]",
        "text = mask[..., None]",
        "tests/lm/test_continuations.py",
        id="steering reaches the first position",
    ),
    pytest.param(
        "saebench/tasks/steering/curve.py",
        '["harmonic"][1:, list(prompts)]',
        '["harmonic"][1:]',
        "tests/tasks/test_steering_parts.py",
        id="a steering factor is chosen on the prompts that are reported",
    ),
    pytest.param(
        "saebench/tasks/steering/measures.py",
        "mean = (loss.double() * new).sum(1) / news.clamp(min=1)",
        "mean = (loss.double() * counted).sum(1) / counted.sum(1).clamp(min=1)",
        "tests/tasks/test_steering_parts.py",
        id="a loop passes as fluent because it is easy to predict",
    ),
    pytest.param(
        "saebench/answers/examination.py",
        "        touched[of[moved]] = True\n",
        "",
        "tests/answers",
        id="an edit of a choice alone keeps the old answer",
    ),
    pytest.param(
        "saebench/lm/lm_eval_model.py",
        "behind_first & there & ~",
        "there & ~",
        "tests/lm/test_lm_eval_model.py",
        id="a splice reaches the first position",
    ),
    pytest.param(
        "saebench/stats/combined.py",
        "(-(1 - share) / gap, bottom)",
        "(-1 / gap, bottom)",
        "tests/stats/test_combined.py",
        id="a share of a gap is as uncertain as its bottom",
    ),
    pytest.param(
        "saebench/results/common_scale.py",
        "if gap > 0 and gap >= smallest:",
        "if gap > 0:",
        "tests/results/test_aggregates.py",
        id="controls that cannot be told apart make a scale",
    ),
    pytest.param(
        "saebench/results/resampling.py",
        "sorted(set(table.clusters)), ",
        "",
        "tests/results/test_aggregates.py",
        id="tasks over different documents move together",
    ),
    pytest.param(
        "saebench/results/standings.py",
        "denser <= l0",
        "denser < l0",
        "tests/results/test_sparsity.py",
        id="nobody of the same sparsity dominates",
    ),
    pytest.param(
        "saebench/results/sparsity.py",
        "round(math.log2(l0))",
        "math.floor(math.log2(l0))",
        "tests/results/test_sparsity.py",
        id="bands end at powers of two",
    ),
    pytest.param(
        "saebench/results/pooled.py",
        "parts.append((side.variance",
        "parts.append((0 * side.variance",
        "tests/results/test_architectures.py",
        id="an architecture is as sure as its items",
    ),
]


@pytest.mark.parametrize(("file", "right", "wrong", "tests"), MUTANTS)
def test_a_mutant_is_caught(file, right, wrong, tests, tmp_path):
    for folder in ("saebench", "suites", "baselines", "leaderboard", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "submissions"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    source = (tmp_path / file).read_text()
    assert right in source, "the mutated line is gone: write the mutant anew"
    (tmp_path / file).write_text(source.replace(right, wrong))
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow and not parity", tests],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-2000:]
