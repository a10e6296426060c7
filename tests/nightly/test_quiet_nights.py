"""Five thousand quiet nights of the packaged panel, and falls on some of them, drawn with the recorded noise.

Arrays alone: no model, no results. The difference of tonight and the reference is drawn for every cell as the audits
recorded it: a part that a seed gives to all items of a cell, and a part of the items, both correlated across cells. A
seed of a night has half the items of an audit's, so that their part is larger. What decides is what decides at night:
sign-flip tests, `moved`, and once more under fresh seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from saebench.nightly.comparing import watched
from saebench.nightly.decision import moved, smallest_detectable
from saebench.nightly.margins import margin_of
from saebench.nightly.scoring import confirming_seeds
from saebench.results.audits import audit_of
from saebench.run.panel import load_panel
from saebench.run.suite import load_suite
from saebench.stats import Ratio, cluster_weights, paired_p_values, ratio_estimates
from saebench.stats.paired import paired_detectable
from saebench.tasks import TASKS
from saebench.tasks.sparse_probing.params import DEFAULT_SETS

pytestmark = pytest.mark.slow

NIGHTS, TOGETHER = 5000, 10
CORRELATION = 0.5
"""Of the noise of two cells."""
SUITE, AUDITED = load_suite("nightly"), load_suite("audit")
FEWER = AUDITED.data.eval.documents / SUITE.data.eval.documents
"""How many times more items an audit's seed has; rows of the probes are fewer by the same."""
SEEDS, FRESH = len(SUITE.eval_seeds), len(confirming_seeds(SUITE))


@dataclass(frozen=True)
class Block:
    """Cells of one task, which share their clusters."""

    noise: np.ndarray
    """Recorded standard deviation of a difference under one seed, `[cells]`."""
    margins: np.ndarray
    per_seed: int
    """Clusters of a seed; those of another seed are others."""
    shared: bool
    """The seeds have the same clusters instead."""

    def clusters(self, seeds: int) -> int:
        return self.per_seed * (1 if self.shared else seeds)


def block_of(task: str, per_seed: int, shared: bool) -> Block:
    """Every watched metric of a task, for every subject of the packaged panel and the suite's controls."""
    card = TASKS.get(task).card
    audit = audit_of(card)
    subjects = len(load_panel("nightly")) + len(SUITE.controls)
    noise, margins = [], []
    for name, metric in watched(card).items():
        recorded = audit.metric(name)
        noise += [recorded.smallest_reliable_paired.value / 1.96] * subjects
        margins += [margin_of(metric, recorded).value] * subjects
    return Block(np.array(noise), np.array(margins), per_seed, shared)


BLOCKS = (
    block_of("reconstruction@1", SUITE.data.eval.documents, shared=False),
    block_of("sparse_probing@1", len(DEFAULT_SETS), shared=True),
)
MARGINS = np.concatenate([block.margins for block in BLOCKS])
CELLS = len(MARGINS)
PLACES = np.split(np.arange(CELLS), [len(BLOCKS[0].margins)])


class Sky:
    """Draws nights."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.item_share = self.rng.uniform(0.1, 0.9, CELLS)
        """Of the recorded variance; the rest is what a seed gives to all items of a cell."""

    def correlated(self, *shape: int) -> np.ndarray:
        """Standard normal draws `[..., cells]`."""
        common = self.rng.normal(size=(*shape, 1))
        return np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * self.rng.normal(size=(*shape, CELLS))

    def nights(self, number: int, seeds: int) -> list[np.ndarray]:
        """Differences `[nights, clusters, cells]` of each block."""
        of_seeds = self.correlated(number, seeds) * np.sqrt(1 - self.item_share)
        drawn = []
        for block, places in zip(BLOCKS, PLACES, strict=True):
            items = self.correlated(number, seeds, block.per_seed)[..., places]
            items *= np.sqrt(self.item_share[places] * FEWER * block.per_seed)
            whole = block.noise * (of_seeds[:, :, None, places] + items)
            joined = whole.mean(1) if block.shared else whole.reshape(number, -1, len(places))
            drawn.append(joined)
        return drawn


def scored(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gain, p and the smallest difference that one test sees, `[columns]`, of clusters `[clusters, columns]`."""
    clusters, columns = differences.shape
    ones = np.ones(clusters)
    weights = cluster_weights([str(number) for number in range(clusters)], seed="nights")
    panel = ratio_estimates(weights, [Ratio(0 * ones, ones), *(Ratio(column, ones) for column in differences.T)])
    p_values = paired_p_values(panel, [(0, column + 1) for column in range(columns)])
    single = [paired_detectable(panel, 0, column + 1) for column in range(columns)]
    return differences.mean(0), np.array(list(p_values.values())), np.array(single)


def together(drawn: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """`scored` of every night and cell: each `[nights, cells]`."""
    made = []
    for block in drawn:
        nights, clusters, cells = block.shape
        found = scored(block.transpose(1, 0, 2).reshape(clusters, nights * cells))
        made.append([one.reshape(nights, cells) for one in found])
    return tuple(np.concatenate(parts, axis=1) for parts in zip(*made, strict=True))


def confirmed(sky: Sky, flagged: np.ndarray, fall: np.ndarray) -> set[int]:
    """Those flagged cells that fall again under fresh seeds, where cells truly fell by `fall`."""
    again = [block[0] - fall[places] for block, places in zip(sky.nights(1, FRESH), PLACES, strict=True)]
    gains, p_values, _ = together([block[None] for block in again])
    found = moved(gains[0, flagged], p_values[0, flagged], MARGINS[flagged])
    return {int(cell) for cell, direction in zip(flagged, found, strict=True) if direction < 0}


@pytest.fixture(scope="module")
def outcome():
    """(alarms on quiet nights, falls, falls that were caught)."""
    sky, alarms, falls, caught = Sky(0), 0, 0, 0
    per_cell = np.concatenate([np.full(len(block.margins), block.clusters(SEEDS)) for block in BLOCKS])
    for start in range(0, NIGHTS, TOGETHER):
        gains, p_values, single = together(drawn := sky.nights(TOGETHER, SEEDS))
        for night in range(TOGETHER):
            seen = np.array(moved(gains[night], p_values[night], MARGINS))
            if (seen < 0).any():
                alarms += bool(confirmed(sky, np.flatnonzero(seen), np.zeros(CELLS)))
        # On one night of each batch a cell falls, every cell in turn.
        cell = (start // TOGETHER) % CELLS
        block = int(cell >= len(BLOCKS[0].margins))
        own = drawn[block][0][:, [int(np.flatnonzero(PLACES[block] == cell)[0])]]
        detectable = smallest_detectable(single[0, cell], MARGINS[cell], CELLS, int(per_cell[cell]))
        fall = np.zeros(CELLS)
        fall[cell] = max(2 * MARGINS[cell], 1.5 * detectable)
        gain, p, _ = scored(own - fall[cell])
        gains[0, cell], p_values[0, cell] = gain[0], p[0]
        seen = np.array(moved(gains[0], p_values[0], MARGINS))
        falls += 1
        caught += seen[cell] < 0 and cell in confirmed(sky, np.flatnonzero(seen), fall)
    return alarms, falls, caught


def test_quiet_nights_raise_an_alarm_less_than_once_in_a_hundred(outcome):
    alarms, _, _ = outcome
    upper = stats.beta.ppf(0.95, alarms + 1, NIGHTS - alarms)
    assert upper <= 0.01, f"{alarms} alarms on {NIGHTS} quiet nights"


def test_a_fall_of_twice_the_margin_that_the_night_can_see_is_caught(outcome):
    _, falls, caught = outcome
    assert caught / falls >= 0.95, f"{caught} of {falls}"
