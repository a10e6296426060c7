"""Truths about `seed_consistency@1` on a tiny random model: copies, random dictionaries, flips, widths, the dead."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from saebench import matching
from saebench.activations.sets import ActivationSet
from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder
from saebench.bench import FileJournal
from saebench.dictionaries.codes import Codes, DenseCodes, compact
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fakes import RandomLinear
from saebench.dictionaries.fixed import FixedDictionary
from saebench.fakes import FakeGroup, FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.tasks import seed_consistency
from saebench.tasks.seed_consistency.fingerprints import Stage, correlation, removed
from saebench.tasks.seed_consistency.members import members_of
from saebench.tasks.seed_consistency.task import SeedConsistency, SeedConsistencyParams
from saebench.tasks.summary import summarise

SITE = "blocks.1.hook_resid_post"
WIDTH, ROWS, CONTEXT = 16, 22, 12
OFFSET = 1.5


@dataclass(eq=False)
class Tied(FixedDictionary):
    """Atoms and encoder rows of its own, ReLU above an offset, or signed above it in size."""

    kind: ClassVar[str] = "tied"
    rows: torch.Tensor
    encoder: torch.Tensor
    offset: float = OFFSET
    signed: bool = False

    def __post_init__(self) -> None:
        self.describe(self.rows.shape[1], self.rows.shape[0])
        self.traits = Traits(signed=self.signed)

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        u = x @ self.encoder.T
        return compact(torch.where(u.abs() > self.offset, u, 0) if self.signed else (u - self.offset).relu())

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.project(self.rows)

    @property
    def atoms(self) -> torch.Tensor:
        return self.rows

    @property
    def encoder_rows(self) -> torch.Tensor:
        return self.encoder


def unit(latents: int, seed: int) -> torch.Tensor:
    return RandomLinear.draw(WIDTH, latents, seed=seed).rows


def tied(rows: torch.Tensor, **settings: Any) -> Tied:
    return Tied(rows, rows.clone(), **settings)


@pytest.fixture(scope="module")
def lm():
    return tiny_model("llama", n_layers=3, d_model=WIDTH)


@pytest.fixture(scope="module")
def data(lm) -> ActivationSet:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 60, (ROWS, CONTEXT), generator=generator)
    mask = torch.ones(ROWS, CONTEXT, dtype=torch.bool)
    mask[:, 0] = False
    mask[3, 7:] = False
    documents = torch.arange(ROWS)[:, None].expand(ROWS, CONTEXT)
    made = ActivationSet.from_tensor(lm.capture(tokens, [SITE])[SITE], mask, documents, site=SITE)
    made.rows.tokens[:] = tokens.numpy()
    return made


def group(dictionaries: dict[str, Any], fingerprint: str = "set") -> FakeGroup:
    members = tuple(FakeSubject(made, name, name=name) for name, made in dictionaries.items())
    return FakeGroup(members, fingerprint)


def score(lm, data, *sets: FakeGroup, rows_per_block: int = 4, journal: Any = None, seed: int = 0, **params: Any):
    bench = bench_of(
        lm,
        SeedConsistencyParams(**params),
        rows_per_block=rows_per_block,
        journal=journal,
        source=lambda request: data,
        eval_seed=seed,
    )
    return SeedConsistency().run(sets, bench), bench


def one(lm, data, dictionaries: dict[str, Any], **settings: Any):
    scores, bench = score(lm, data, group(dictionaries), **settings)
    assert not bench.failures, bench.failures
    return scores["set"]


def values(scores) -> dict[str, float | None]:
    return {name: metric.value for name, metric in summarise(SeedConsistency.card, scores).items()}


def same(made: dict[str, float | None], other: dict[str, float | None]) -> None:
    for name, value in made.items():
        assert other[name] == (None if value is None else pytest.approx(value, rel=1e-5, abs=1e-9)), name


def test_the_task_takes_sets_and_hands_out_mcc():
    assert SeedConsistency.takes == ("set",)
    assert seed_consistency.mcc is matching.mcc


def test_shuffled_copies_score_1(lm, data):
    rows = unit(64, 0)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    made = values(one(lm, data, {"a": tied(rows), "b": tied(rows[order]), "c": tied(rows.flip(0))}))
    for name in (
        "pw_mcc",
        "pw_mcc_abs",
        "pw_mcc_alive",
        "calibrated",
        "calibrated_alive",
        "shared_fraction",
        "assignments_agree",
        "mutual_nearest",
        "activation_correlation",
        "activation_correlation_best",
        "matched_correlation",
        "fingerprint",
    ):
        assert made[name] == pytest.approx(1, abs=1e-5), name
    assert made["fingerprint_control"] < 0.9


def test_the_same_dictionary_twice_stays_two_members(lm, data):
    made = tied(unit(32, 0))
    scores = one(lm, data, {"a": made, "b": tied(unit(32, 1))})
    members = tuple(FakeSubject(made, "a", name=name) for name in ("first", "second"))
    twice, _ = score(lm, data, FakeGroup(members, "set"))
    assert values(twice["set"])["pw_mcc"] == pytest.approx(1)
    assert twice["set"].details["copies"] == 1
    assert scores.details["copies"] == 0


def test_random_dictionaries_lie_on_the_null(lm, data):
    scores = one(lm, data, {f"r{seed}": tied(unit(256, seed), offset=0.5) for seed in range(4)})
    made = values(scores)
    assert made["pw_mcc"] == pytest.approx(made["null"], abs=0.01)
    assert made["pw_mcc_abs"] == pytest.approx(made["null_abs"], abs=0.01)
    assert made["calibrated"] == pytest.approx(0, abs=0.03)
    assert made["calibrated_alive"] == pytest.approx(0, abs=0.03)
    low, high = (getattr(summarise(SeedConsistency.card, scores)["pw_mcc"], end) for end in ("low", "high"))
    assert low < made["pw_mcc"] < high


def test_metrics_are_those_of_the_matching_room(lm, data):
    rows = [unit(40, seed) + 0.4 * unit(40, 9) for seed in range(3)]
    made = values(one(lm, data, {str(seed): tied(each) for seed, each in enumerate(rows)}))
    pairs = [(rows[0], rows[1]), (rows[0], rows[2]), (rows[1], rows[2])]
    for name, signed in (("pw_mcc", True), ("pw_mcc_abs", False)):
        assert made[name] == pytest.approx(np.mean([matching.mcc(a, b, signed).value for a, b in pairs]), abs=1e-6)
    assert made["null"] == pytest.approx(matching.random_null(40, 40, WIDTH, signed=True).mean)
    assert made["calibrated"] == pytest.approx((made["pw_mcc"] - made["null"]) / (1 - made["null"]), abs=1e-6)


def test_dead_latents_count_in_one_metric_and_not_in_the_other(lm, data):
    """Half of the latents agree and fire; the other half points anywhere and never fires."""
    shared = unit(30, 0)
    members = {}
    for seed in (1, 2, 3):
        rows = torch.cat([shared, unit(30, seed)])
        made = Tied(rows, torch.cat([rows[:30], torch.zeros(30, WIDTH)]), offset=0.0)
        members[str(seed)] = made
    scores = one(lm, data, members)
    found = values(scores)
    assert found["dead_fraction"] == 0.5
    assert found["pw_mcc_alive"] == pytest.approx(1, abs=1e-5)
    assert found["pw_mcc"] < 0.95
    assert [member["dead_latents"] for member in scores.details["members"]] == [30, 30, 30]
    assert [member["zero_encoder_rows"] for member in scores.details["members"]] == [30, 30, 30]
    assert found["shared_fraction"] == 0.5


def test_zero_atoms_are_counted_and_have_cosine_0(lm, data, recwarn):
    rows = unit(20, 0)
    emptied = rows.clone()
    emptied[:5] = 0
    scores = one(lm, data, {"a": Tied(emptied, rows), "b": Tied(emptied.flip(0), rows.flip(0))})
    made = values(scores)
    assert made["zero_rows"] == 0.25
    assert made["pw_mcc"] == pytest.approx(0.75, abs=1e-5)
    assert [member["zero_decoder_rows"] for member in scores.details["members"]] == [5, 5]
    assert math.isfinite(made["fingerprint"])
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_flipped_atoms_are_others_unless_codes_are_signed(lm, data):
    rows = unit(24, 0)
    kept = one(lm, data, {"a": tied(rows), "b": tied(-rows)})
    signed = one(lm, data, {"a": tied(rows, signed=True), "b": tied(-rows, signed=True)})
    for scores in (kept, signed):
        assert values(scores)["pw_mcc_abs"] == pytest.approx(1, abs=1e-5)
        assert values(scores)["pw_mcc"] < 0.6
    assert values(kept)["calibrated"] < 0.5
    made = values(signed)
    for name in ("calibrated", "calibrated_alive", "shared_fraction", "activation_correlation", "fingerprint"):
        assert made[name] == pytest.approx(1, abs=1e-5), name
    assert signed.details["convention"].startswith("absolute")
    assert kept.details["convention"] == "signed cosine"


def test_the_smaller_width_decides_how_many_pairs_there_are(lm, data):
    rows = unit(60, 0)
    scores = one(lm, data, {"small": tied(rows[:20]), "large": tied(rows)})
    made = values(scores)
    assert made["pw_mcc"] == pytest.approx(1, abs=1e-5)
    assert made["shared_fraction"] == 1
    assert scores.details["widths"] == [20, 60]
    assert scores.details["pairs"][0]["pw_mcc"]["pairs"] == 20
    assert made["null"] == pytest.approx(matching.random_null(20, 60, WIDTH, signed=True).mean)


def test_permuted_decoders_keep_their_cosines_and_lose_what_they_do(lm, data):
    rows = unit(64, 0) * 3
    plain = {
        name: tied(rows[torch.randperm(64, generator=torch.Generator().manual_seed(s))]) for s, name in enumerate("abc")
    }
    permuted = {name: PermutedDecoder(made, seed) for seed, (name, made) in enumerate(plain.items())}
    made, other = values(one(lm, data, plain)), values(one(lm, data, permuted))
    assert other["pw_mcc"] == pytest.approx(made["pw_mcc"], abs=1e-6)
    assert other["activation_correlation"] == pytest.approx(made["activation_correlation"], abs=1e-6)
    assert other["shared_fraction"] < 0.2
    assert other["matched_correlation"] < 0.5
    assert other["fingerprint"] < made["fingerprint"]


def test_bands_by_firing_rate_hold_every_matched_latent_twice(lm, data):
    scores = one(lm, data, {str(seed): tied(unit(80, seed)) for seed in range(3)})
    columns = scores.tables["pairs"].columns
    counts = sum(columns[f"{name}_latents"] for name in ("rare", "uncommon", "common", "dense"))
    sums = sum(columns[f"{name}_cosine"] for name in ("rare", "uncommon", "common", "dense"))
    assert counts.tolist() == (2 * columns["matched_alive"]).tolist()
    assert sums == pytest.approx(2 * columns["cosine_own_alive"])
    curve = scores.details["curves"]["by_firing_rate"]
    assert sum(curve["latents"]) == counts.sum()
    assert values(scores)["mcc_rare"] is None  # 238 tokens: one firing is a share of .004
    assert "rare" in scores.undefined["mcc_rare"]


def test_a_set_without_atoms_keeps_what_its_codes_say(lm, data):
    made = summarise(SeedConsistency.card, one(lm, data, {"a": MeanOnly(data.mean()), "b": tied(unit(20, 0))}))
    assert made["dead_fraction"].value is not None
    assert made["pw_mcc"].value is None
    assert "no linear decoder" in made["pw_mcc"].undefined
    assert "a" in made["fingerprint"].undefined


def test_a_set_that_never_fires_says_so(lm, data):
    made = summarise(
        SeedConsistency.card, one(lm, data, {s: tied(unit(20, i), offset=1e6) for i, s in enumerate("ab")})
    )
    assert made["pw_mcc"].value is not None
    assert made["dead_fraction"].value == 1
    for name in ("pw_mcc_alive", "calibrated_alive", "activation_correlation", "mcc_dense", "fingerprint"):
        assert made[name].value is None, name
        assert made[name].undefined, name


def test_dense_and_signed_dictionaries_are_scored(lm, data):
    made = values(one(lm, data, {"a": Identity(WIDTH), "b": Identity(WIDTH)}))
    assert made["pw_mcc"] == pytest.approx(1)
    assert made["mcc_dense"] == pytest.approx(1)


class Running(RandomLinear):
    """Reads whole rows: every token becomes the mean of the unmasked ones up to it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.traits = Traits(sequence_coupled=True)

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        assert context is not None
        seen = context.mask.unsqueeze(2).to(x.dtype)
        mean = (x * seen).cumsum(1) / seen.cumsum(1).clamp(min=1)
        return DenseCodes((mean @ self.rows.T).relu().flatten(0, 1))


def test_a_dictionary_that_reads_sequences_is_encoded_by_rows(lm, data):
    a, b = Running(unit(24, 0)), Running(unit(24, 1))
    scores = [one(lm, data, {"a": a, "b": b}, rows_per_block=rows) for rows in (3, 22)]
    same(*map(values, scores))
    bench = bench_of(lm, SeedConsistencyParams(), source=lambda request: data)
    codes = members_of(group({"a": a, "b": b}), data, bench)[0].codes.toarray()
    mask = torch.from_numpy(np.array(data.mask))
    wanted = a.encode(data.block(0, ROWS), Context(mask, torch.zeros(ROWS, CONTEXT))).dense()[mask.flatten()]
    assert codes == pytest.approx(wanted.numpy())


def test_a_fingerprint_is_what_a_whole_pass_without_the_latent_changes(lm, data):
    made = tied(unit(30, 0) * 2)
    bench = bench_of(lm, SeedConsistencyParams(), source=lambda request: data)
    member, _ = members_of(group({"a": made, "b": tied(unit(30, 1))}), data, bench)
    latent = int(np.argmax(member.rates))
    stage = Stage.of(lm, SITE, data, None)
    fires = member.codes[:, [latent]].tocoo().row
    tokens = fires[np.isin(stage.places[fires, 0], stage.places[fires[[0, -1]], 0])]
    mask = torch.from_numpy(np.array(data.mask))
    ids = torch.from_numpy(data.tokens.astype(np.int64))

    def without(x: torch.Tensor) -> torch.Tensor:
        code = made.encode(x.flatten(0, 1)).columns(torch.tensor([latent])).view(*x.shape[:2], 1) * mask[..., None]
        return x - code * made.rows[latent]

    with torch.no_grad():
        clean = lm.logits(ids)
        with lm.spliced(SITE, without):
            changed = lm.logits(ids)
        found = removed([(member, latent)], tokens, stage)[0]
    rows, columns = torch.from_numpy(stage.places[tokens]).T
    wanted = (changed.log_softmax(-1) - clean.log_softmax(-1))[rows, columns].double().mean(0)
    assert (wanted - wanted.mean()).abs().max() > 1e-3
    torch.testing.assert_close(found, wanted - wanted.mean(), atol=2e-5, rtol=1e-4)


def test_a_fingerprint_of_nothing_correlates_with_nothing():
    x = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)
    assert correlation(x, x * 0) == 0
    assert correlation(x, -2 * x) == pytest.approx(-1)


def test_fingerprints_are_as_many_as_were_asked_for(lm, data):
    members = {str(seed): tied(unit(80, seed)) for seed in range(3)}
    scores = one(lm, data, members, fingerprints_per_band=3)
    for pair in scores.details["pairs"]:
        bands = [told["band"] for told in pair["fingerprints"]]
        assert all(bands.count(name) <= 3 for name in set(bands))
        assert len(bands) >= 3
        assert all(told["control"] != told["latents"][1] for told in pair["fingerprints"])
    by_band = scores.details["fingerprints_by_band"]
    counts = {name: band["pairs"] for name, band in by_band.items()}
    assert counts["rare"] == 0
    assert by_band["rare"]["fingerprint"] is None
    total = sum(band["pairs"] * band["fingerprint"] for band in by_band.values() if band["pairs"])
    assert total / sum(counts.values()) == pytest.approx(values(scores)["fingerprint"])
    none = one(lm, data, members, fingerprints_per_band=0)
    assert "not asked for" in none.undefined["fingerprint"]
    assert values(none)["pw_mcc"] == values(scores)["pw_mcc"]


def test_the_order_of_members_and_of_sets_changes_nothing(lm, data):
    members = {name: tied(unit(48, seed)) for seed, name in enumerate("abcd")}
    others = {name: tied(unit(32, 10 + seed)) for seed, name in enumerate("xyz")}
    first, _ = score(lm, data, group(members, "one"), group(others, "two"))
    back = {name: members[name] for name in reversed(members)}
    second, _ = score(lm, data, group(others, "two"), group(back, "one"))
    for key in ("one", "two"):
        assert first[key].details == second[key].details
        a, b = first[key].tables["pairs"], second[key].tables["pairs"]
        assert (a.items, a.clusters, a.partners) == (b.items, b.clusters, b.partners)
        assert {name: column.tolist() for name, column in a.columns.items()} == {
            name: column.tolist() for name, column in b.columns.items()
        }


def test_other_batch_sizes_change_nothing(lm, data):
    members = {name: tied(unit(48, seed)) for seed, name in enumerate("abc")}
    made = [values(one(lm, data, members, rows_per_block=rows)) for rows in (1, 5, 22)]
    same(made[0], made[1])
    same(made[0], made[2])


def test_other_seeds_draw_other_latents_and_nothing_else(lm, data):
    members = {name: tied(unit(80, seed)) for seed, name in enumerate("abc")}
    first, second = (one(lm, data, members, seed=seed) for seed in (0, 1))
    drawn = [[told["latents"] for told in made.details["pairs"][0]["fingerprints"]] for made in (first, second)]
    assert drawn[0] != drawn[1]
    assert values(first)["pw_mcc"] == values(second)["pw_mcc"]
    assert values(first)["fingerprint"] != values(second)["fingerprint"]


class Dying(FileJournal):
    """Kills the run after its second save."""

    def save(self, blocks_done, arrays):
        super().save(blocks_done, arrays)
        if blocks_done == 2:
            raise KeyboardInterrupt


def test_a_killed_run_goes_on_where_it_was(lm, data, tmp_path, monkeypatch):
    members = {name: tied(unit(48, seed)) for seed, name in enumerate("abc")}
    whole = one(lm, data, members)
    path = tmp_path / "journal.npz"
    with pytest.raises(KeyboardInterrupt):
        one(lm, data, members, journal=Dying(path))
    counted = []
    module = "saebench.tasks.seed_consistency.task"
    from saebench.tasks.seed_consistency.task import score_pair

    monkeypatch.setattr(f"{module}.score_pair", lambda *given: counted.append(1) or score_pair(*given))
    again = one(lm, data, members, journal=FileJournal(path))
    assert len(counted) == 1
    assert again.details == whole.details
    assert {name: column.tolist() for name, column in again.tables["pairs"].columns.items()} == {
        name: column.tolist() for name, column in whole.tables["pairs"].columns.items()
    }


def test_details_are_json(lm, data):
    scores = one(lm, data, {name: tied(unit(48, seed)) for seed, name in enumerate("abc")})
    assert json.loads(json.dumps(scores.details, allow_nan=False)) == scores.details


def test_one_bad_member_fails_its_set_alone(lm, data):
    bad = tied(unit(20, 0))
    bad.encoder[3] = float("nan")
    worse = tied(unit(20, 0))
    worse.rows[3] = float("inf")
    good = group({"a": tied(unit(20, 0)), "b": tied(unit(20, 1))}, "good")
    scores, bench = score(
        lm,
        data,
        group({"a": bad, "b": tied(unit(20, 1))}, "bad"),
        group({"a": worse, "b": tied(unit(20, 1))}, "worse"),
        group({"a": tied(unit(20, 1))}, "alone"),
        group({"a": ValueError("boom"), "b": tied(unit(20, 1))}, "broken"),
        good,
    )
    assert list(scores) == ["good"]
    assert "NaN" in bench.failures["bad"].message
    assert "a" in bench.failures["worse"].message
    assert "two dictionaries" in bench.failures["alone"].message
    assert "boom" in bench.failures["broken"].message


def test_a_run_writes_one_result_for_a_set_and_its_control(world, tmp_path):
    """From specifications to a file: the control of the suite, and the dictionary of the world with another one."""
    from saebench.run.evaluate import Settings, run_suite

    random = "set:" + ",".join(f"control:random?seed={seed}" for seed in range(3))
    text = world.suite.read_text().replace("reconstruction@1", "seed_consistency@1")
    suite = tmp_path / "consistency.yaml"
    suite.write_text(text[: text.index("controls:")] + f'controls: ["{random}"]\n')
    done = run_suite([f"set:{world.dictionary},control:random?seed=7"], str(suite), Settings(tmp_path / "results"))
    assert not done.failures
    made = {record.subject.role: record for record in done.records}
    assert made["random"].metrics["calibrated"].value == pytest.approx(0, abs=0.05)
    assert made["random"].metrics["calibrated"].low is not None
    assert made[None].metrics["calibrated"].low is None
    assert "2 clusters" in made[None].metrics["calibrated"].undefined
    assert made[None].metrics["calibrated"].value < 0.5


def test_a_site_inside_a_block_is_resumed_from(lm):
    site = "blocks.1.hook_mlp_out"
    tokens = torch.randint(4, 60, (8, 10), generator=torch.Generator().manual_seed(1))
    acts = lm.capture(tokens, [site, "blocks.1.hook_resid_pre"])
    sets = {}
    for name, x in acts.items():
        sets[name] = ActivationSet.from_tensor(x, site=name)
        sets[name].rows.tokens[:] = tokens.numpy()
    members = tuple(
        FakeSubject(
            tied(unit(24, 0)[torch.randperm(24, generator=torch.Generator().manual_seed(s))], offset=0.2), str(s), site
        )
        for s in range(2)
    )
    bench = bench_of(lm, SeedConsistencyParams(), source=lambda request: sets[request.site])
    scores = SeedConsistency().run([FakeGroup(members, "set", site=site)], bench)
    assert values(scores["set"])["fingerprint"] == pytest.approx(1, abs=1e-4)
