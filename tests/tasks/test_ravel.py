"""Truths about `ravel@1`: a model whose knowledge is a table, and tiny random models of several families."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ravel_world import SITE, WIDTH, TableModel, entangled, oracle, table_facts, write_facts

from saebench.api import evaluate
from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder
from saebench.bench import FileJournal
from saebench.data.facts import facts as read
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Traits
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import ConfigError
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.lm.model import load_model
from saebench.tasks.ravel.latents import Latents
from saebench.tasks.ravel.learning import learn
from saebench.tasks.ravel.pairs import draw
from saebench.tasks.ravel.prompts import encoded
from saebench.tasks.ravel.settings import RavelParams
from saebench.tasks.ravel.stand import Stand
from saebench.tasks.ravel.task import Ravel, questions, study
from saebench.tasks.summary import summarise

SETTINGS: dict[str, Any] = {
    "train_pairs": 24,
    "test_pairs": 30,
    "least_pairs": 8,
    "epochs": 4,
    "batch": 8,
    "learning_rate": 0.1,
    "mdas_rank": 4,
    "mdas_epochs": 30,
    "mdas_learning_rate": 0.03,
}


def run(
    lm: Any, facts: str, made: dict[str, Any], folder: Any = None, journal: Any = None, rows: int = 4, **changed: Any
):
    params = RavelParams(facts=(facts,), **{**SETTINGS, **changed})
    bench = bench_of(lm, params, folder=folder, rows_per_block=rows, journal=journal)
    subjects = [FakeSubject(one, name, site=changed.get("site", SITE)) for name, one in made.items()]
    return Ravel().run(subjects, bench), bench


def values(scores: Any) -> dict[str, float | None]:
    return {name: metric.value for name, metric in summarise(Ravel.card, scores).items()}


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    return table_facts(tmp_path_factory.mktemp("facts"))


@pytest.fixture(scope="module")
def table_scores(letters):
    made = {"oracle": oracle(), "entangled": entangled(), "permuted": PermutedDecoder(oracle(), 0)}
    return run(TableModel(), letters, made)


def test_one_latent_a_value_is_perfect(table_scores):
    scores, bench = table_scores
    assert not bench.failures
    made = values(scores["oracle"])
    assert made["cause"] == made["isolation"] == made["disentanglement"] == 1.0
    assert all(one["mask_size"] == 4 for one in scores["oracle"].details["attributes"].values())


def test_the_dense_rival_finds_the_subspace_of_an_attribute(table_scores):
    made = values(table_scores[0]["oracle"])
    assert made["mdas_disentanglement"] >= 0.9
    assert made["disentanglement_gain"] == pytest.approx(1 - made["mdas_disentanglement"])


def test_mixed_and_permuted_latents_fall_behind(table_scores):
    scores, _ = table_scores
    assert values(scores["entangled"])["disentanglement"] < 0.9
    assert values(scores["permuted"])["disentanglement"] < 0.7
    # The rotation loses nothing, so both corners are perfect: it is the choice of latents that fails.
    assert values(scores["entangled"])["cause_all_latents"] == 1.0
    assert values(scores["entangled"])["isolation_no_latent"] == 1.0


def test_swapping_everything_causes_all_and_isolates_nothing(table_scores):
    made = values(table_scores[0]["oracle"])
    assert made["cause_full_swap"] == made["cause_all_latents"] == 1.0
    assert made["isolation_full_swap"] == 0.0


def test_the_mean_control_keeps_and_causes_nothing(letters):
    scores, bench = run(TableModel(), letters, {"mean": MeanOnly(torch.zeros(WIDTH))})
    assert not bench.failures
    made = values(scores["mean"])
    assert made["cause"] == made["isolation"] == 0.0
    assert scores["mean"].details["mean_mask_size"] == 0


def test_an_error_term_keeps_every_answer_of_a_dictionary_that_does_nothing(letters):
    scores, _ = run(TableModel(), letters, {"mean": MeanOnly(torch.zeros(WIDTH))}, add_error=True)
    made = values(scores["mean"])
    assert (made["cause"], made["isolation"], made["disentanglement"]) == (0.0, 1.0, 0.5)


def test_the_model_is_run_twice_whatever_the_number_of_subjects(letters):
    """One pass asks, one captures; masks are learned above the site alone."""
    counts = []
    for number in (1, 3):
        lm = TableModel()
        run(lm, letters, {str(index): entangled(index) for index in range(number)})
        counts.append(lm.passes)
    assert counts[0] == counts[1]


def test_entities_and_templates_of_the_test_are_unseen(letters):
    params = RavelParams(facts=(letters,), **SETTINGS)
    one = study(letters, params, bench_of(TableModel(), params))
    listed = one.prompts.listed
    assert {pairs.attribute for pairs in one.scored} == {"first", "second"}
    for pairs in one.scored:
        train, test = (
            {index for pair in side for index in (pair.base, pair.source)} for side in (pairs.train, pairs.test)
        )
        assert not {listed[index].entity for index in train} & {listed[index].entity for index in test}
        assert not {listed[index].template for index in train} & {listed[index].template for index in test}


def test_pairs_can_be_told_apart_and_want_what_their_kind_says(letters):
    params = RavelParams(facts=(letters,), **SETTINGS)
    one = study(letters, params, bench_of(TableModel(), params))
    for pairs in one.scored:
        for side in (pairs.train, pairs.test):
            assert len(set(side)) == len(side)
            assert sum(pair.cause for pair in side) * 2 == len(side)
            for pair in side:
                base, source = one.prompts.listed[pair.base], one.prompts.listed[pair.source]
                assert base.attribute == source.attribute
                assert base.answer[0] != source.answer[0]
                assert (base.attribute == pairs.attribute) == pair.cause
                assert pair.target == (source if pair.cause else base).answer[0]


def test_a_larger_budget_only_adds_pairs(letters):
    params = RavelParams(facts=(letters,), **SETTINGS)
    one = study(letters, params, bench_of(TableModel(), params))

    def drawn(most: int):
        return draw(one.prompts, one.known.tolist(), "test", ["first"], True, most, 0, "first")

    assert drawn(30)[:10] == drawn(10)
    assert len({one.prompts.listed[pair.base].entity for pair in drawn(12)}) == 12


class Lying(TableModel):
    """Knows the second value alone."""

    def resume(self, site: str, acts: torch.Tensor, tokens: Any, entry: Any = None, positions: Any = None) -> Any:
        made = super().resume(site, acts, tokens, entry)
        made[..., self.id("9")] += 100 * (tokens == self.id("("))
        return made if positions is None else made[:, positions]


def test_without_known_prompts_everything_is_undefined_with_the_reason(letters):
    scores, _ = run(Lying(), letters, {"oracle": oracle()})
    made = summarise(Ravel.card, scores["oracle"])
    assert all(one.value is None for one in made.values())
    assert "answers right" in str(made["disentanglement"].undefined)
    about = scores["oracle"].details["facts"]["ravel letter"]["attributes"]
    assert about["first"]["known"] == 0
    assert about["second"]["known"] == about["second"]["prompts"]
    assert "cause pairs" in about["first"]["excluded"]
    assert "isolation pairs" in about["second"]["excluded"]


def test_weights_make_attributes_and_kinds_count_alike(table_scores):
    columns = table_scores[0]["oracle"].tables["pairs"].columns
    assert columns["cause_weight"].sum() == pytest.approx(2)
    assert columns["isolation_weight"].sum() == pytest.approx(2)


def test_company_order_and_a_warm_cache_change_nothing(letters, tmp_path):
    first, second = entangled(1), entangled(2)
    alone, _ = run(TableModel(), letters, {"a": first}, folder=tmp_path / "cold")
    together, _ = run(TableModel(), letters, {"b": second, "a": first}, folder=tmp_path / "other")
    warm, _ = run(TableModel(), letters, {"a": first, "b": second}, folder=tmp_path / "other")
    for name, column in alone["a"].tables["pairs"].columns.items():
        assert np.array_equal(column, together["a"].tables["pairs"].columns[name]), name
        assert np.array_equal(column, warm["a"].tables["pairs"].columns[name]), name


def test_another_seed_draws_other_pairs(letters):
    items = []
    for seed in (0, 1):
        params = RavelParams(facts=(letters,), **SETTINGS)
        items.append(study(letters, params, bench_of(TableModel(), params, eval_seed=seed)).scored[0].test)
    assert items[0] != items[1]


class Killed(BaseException):
    pass


@dataclass
class Stopping:
    """A journal that is killed after so many saves."""

    inner: FileJournal
    left: int
    saved: list[int] = field(default_factory=list)

    def load(self):
        return self.inner.load()

    def save(self, blocks_done: int, arrays: Any) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1
        self.saved.append(blocks_done)
        self.inner.save(blocks_done, arrays)


def test_a_killed_run_goes_on_bit_equal_and_learns_no_finished_mask_again(letters, tmp_path):
    made = {"a": entangled(1), "b": entangled(2)}
    whole, _ = run(TableModel(), letters, made)
    path = tmp_path / "journal.npz"
    with pytest.raises(Killed):
        run(TableModel(), letters, made, journal=Stopping(FileJournal(path), 3))
    journal = Stopping(FileJournal(path), 9)
    again, _ = run(TableModel(), letters, made, journal=journal)
    assert journal.saved == [4]
    for name in made:
        for column, numbers in whole[name].tables["pairs"].columns.items():
            assert np.array_equal(numbers, again[name].tables["pairs"].columns[column]), (name, column)


class Sequential(Identity):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.traits = Traits(signed=True, sequence_coupled=True)


class Opaque(Identity):
    """Its decoder runs where torch does not look."""

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return torch.from_numpy(codes.dense().detach().numpy().copy())


class Exploding(Identity):
    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.dense() / 0.0


def test_a_subject_that_cannot_be_served_says_why_and_leaves_the_others_alone(letters):
    made: dict[str, Any] = {
        "sequences": Sequential(WIDTH),
        "opaque": Opaque(WIDTH),
        "exploding": Exploding(WIDTH),
        "lost": ValueError("boom"),
        "good": oracle(),
    }
    scores, bench = run(TableModel(), letters, made)
    assert list(scores) == ["good"]
    assert "sequences" in bench.failures["sequences"].message
    assert "gradient" in bench.failures["opaque"].message
    assert "not finite" in bench.failures["exploding"].message
    assert "boom" in bench.failures["lost"].message


TEMPLATES = {"first": {"%s(": "train", "%s (": "test"}, "second": {'%s"': "train", '%s "': "test"}}


def own_answers(lm: Any, folder: Any) -> str:
    """Facts that a model knows because they are read off it: whatever it says behind each template."""
    names = [a + b for a in "etaoinshr" for b in "dlcumwfg"]
    sides = {name: ("train", "test")[index % 2] for index, name in enumerate(sorted(names))}
    table: dict[str, dict[str, str]] = {name: {} for name in names}
    for attribute, texts in TEMPLATES.items():
        for text, side in texts.items():
            for name in (one for one in names if sides[one] == side):
                ids = encoded(lm.tokenizer, [text.replace("%s", name)])["input_ids"][0]
                with torch.no_grad():
                    said = int(lm.logits(torch.tensor([[lm.bos_id, *ids]]))[0, -1].argmax())
                if said > 3 and said != 4:
                    table[name][attribute] = lm.tokenizer.decode([said])
    return write_facts(folder, "read", table, TEMPLATES)


FAMILIES = [
    (family, site)
    for family in ("llama", "gpt2", "gpt_neox", "gemma")
    for site in ("blocks.0.hook_resid_post", "blocks.0.hook_mlp_out")
]


@pytest.mark.parametrize(("family", "site"), FAMILIES)
def test_every_family_and_kind_of_site(family, site, tmp_path):
    """Identity: what is spliced is the activation itself, so that the corners are known on any model."""
    lm = tiny_model(family, n_layers=2, d_model=16)
    facts = own_answers(lm, tmp_path / "facts")
    params = RavelParams(facts=(facts,), **{**SETTINGS, "mdas_epochs": 2, "least_pairs": 2})
    bench = bench_of(lm, params)
    subjects = [
        FakeSubject(Identity(16), "identity", site=site),
        FakeSubject(RandomLinear.draw(16, 32), "r", site=site),
    ]
    scores = Ravel().run(subjects, bench)
    assert not bench.failures
    about = scores["identity"].details["facts"]["ravel read"]["attributes"]
    assert all(one["known"] == one["prompts"] > 0 for one in about.values())
    made = values(scores["identity"])
    assert made["isolation_no_latent"] == 1.0
    assert made["cause_all_latents"] == made["cause_full_swap"]
    assert 0 <= values(scores["r"])["disentanglement"] <= 1
    assert all(parameter.grad is None for parameter in lm.hf.parameters())


def small_stand(lm: Any, site: str, tmp_path: Any):
    params = RavelParams(facts=(own_answers(lm, tmp_path / "facts"),), **{**SETTINGS, "least_pairs": 2})
    bench = bench_of(lm, params)
    one = study(params.facts[0], params, bench)
    pairs = one.scored[0]
    return Stand(bench, site, one.prompts, [*pairs.train, *pairs.test]), pairs, one.prompts


@pytest.mark.parametrize("site", ["blocks.0.hook_resid_post", "blocks.0.hook_mlp_out"])
def test_logits_equal_a_whole_pass_with_the_entity_token_replaced(site, tmp_path):
    """From the tokens, with a hook at the site: no resuming, no padding, one prompt at a time."""
    lm = tiny_model("llama", n_layers=2, d_model=16)
    stand, pairs, prompts = small_stand(lm, site, tmp_path)
    bases, sources, _ = stand.rows(pairs.test)
    with torch.no_grad():
        made = stand.logits(bases, stand.entities[sources])
    for row, pair in list(enumerate(pairs.test))[::7]:
        base, source = prompts.listed[pair.base], prompts.listed[pair.source]

        def tokens(prompt: Any) -> torch.Tensor:
            return torch.tensor([[lm.bos_id, *prompt.ids]])

        at = lm.capture(tokens(source), [site])[site][0, 1 + source.place]

        def replace(x: torch.Tensor, place: int = 1 + base.place, at: torch.Tensor = at) -> torch.Tensor:
            new = x.clone()
            new[0, place] = at
            return new

        with torch.no_grad(), lm.spliced(site, replace):
            wanted = lm.logits(tokens(base))[0, -1]
        assert torch.allclose(made[row], wanted, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_the_mask_is_that_of_the_loss(tmp_path):
    """Central differences of the loss in every latent."""
    lm = tiny_model("gpt2", n_layers=2, d_model=16)
    stand, pairs, _ = small_stand(lm, "blocks.0.hook_resid_post", tmp_path)
    latents = Latents(RandomLinear.draw(16, 24, seed=3), stand, add_error=False)
    bases, sources, targets = stand.rows(pairs.train)

    def loss(mask: torch.Tensor) -> torch.Tensor:
        values = latents.swapped(bases, sources, torch.sigmoid(mask / 0.7))
        return torch.nn.functional.cross_entropy(stand.logits(bases, values).double(), targets)

    mask = torch.linspace(-1, 1, 24).requires_grad_()
    loss(mask).backward()
    step = 0.05
    for latent in range(24):
        shift = torch.zeros(24)
        shift[latent] = step
        with torch.no_grad():
            slope = (loss(mask + shift) - loss(mask - shift)) / (2 * step)
        assert float(mask.grad[latent]) == pytest.approx(float(slope), rel=0.02, abs=2e-4)


def test_learning_lowers_the_loss_and_touches_no_weight_of_the_model(tmp_path):
    lm = tiny_model("llama", n_layers=2, d_model=16)
    stand, pairs, _ = small_stand(lm, "blocks.0.hook_resid_post", tmp_path)
    bases, sources, targets = stand.rows(pairs.train)
    latents = Latents(Identity(16), stand, add_error=False)
    before = {name: value.clone() for name, value in lm.hf.state_dict().items()}

    def loss(mask: torch.Tensor) -> float:
        with torch.no_grad():
            values = latents.swapped(bases, sources, torch.sigmoid(mask))
            return float(torch.nn.functional.cross_entropy(stand.logits(bases, values), targets))

    mask = torch.zeros(16, requires_grad=True)
    start = loss(mask)
    learn(
        mask,
        lambda base, source, temperature: latents.swapped(base, source, torch.sigmoid(mask)),
        stand,
        pairs.train,
        epochs=10,
        batch=8,
        learning_rate=0.1,
        seed=0,
    )
    assert loss(mask) < start
    assert all(torch.equal(value, before[name]) for name, value in lm.hf.state_dict().items())


def test_the_batch_of_the_test_changes_nothing(tmp_path):
    lm = tiny_model("llama", n_layers=2, d_model=16)
    facts = own_answers(lm, tmp_path / "facts")
    made = [
        values(run(lm, facts, {"a": RandomLinear.draw(16, 32)}, rows=rows, least_pairs=2, mdas_epochs=1)[0]["a"])
        for rows in (1, 3)
    ]
    assert made[0] == pytest.approx(made[1], rel=1e-5)


def test_the_entity_token_is_the_last_one_of_its_name(letters):
    params = RavelParams(facts=(letters,), **SETTINGS)
    one = study(letters, params, bench_of(TableModel(), params)).prompts
    for prompt in one.listed:
        assert one.tokenizer.convert_ids_to_tokens(prompt.ids[prompt.place]) == prompt.entity


def test_a_template_that_names_the_entity_is_not_asked_about_it(tmp_path):
    table = {name: {"first": "1", "second": "5"} for name in "etao"}
    templates = {"first": {"a is 1, %s(": "train"}, "second": {'%s"': "train"}}
    facts = write_facts(tmp_path, "x", table, templates)
    params = RavelParams(facts=(facts,), **SETTINGS)
    lm = TableModel()
    made = questions(read(facts), params, lm, 0)
    assert made.dropped == {"the template names the entity itself": 1}
    assert ("a", "first") not in {(prompt.entity, prompt.attribute) for prompt in made.listed}


def test_identity_follows_the_questions_and_unknown_attributes_are_refused(letters):
    lm = TableModel()
    records = [Ravel().data(RavelParams(facts=(letters,), max_templates=most), lm, 0)[0] for most in (1, 2)]
    assert records[0] == records[1]
    fewer = Ravel().data(RavelParams(facts=(letters,), max_entities=6), lm, 0)[0]
    assert fewer.fingerprint != records[0].fingerprint
    assert fewer.documents == 6
    with pytest.raises(ConfigError, match="no set has the attribute 'colour'"):
        Ravel().data(RavelParams(facts=(letters,), attributes=("colour",)), lm, 0)


def test_codes_are_mixed_between_base_and_source(letters):
    params = RavelParams(facts=(letters,), **SETTINGS)
    bench = bench_of(TableModel(), params)
    one = study(letters, params, bench)
    stand = Stand(bench, SITE, one.prompts, one.scored[0].test)
    made = entangled(4)
    bases, sources, _ = stand.rows(one.scored[0].test)
    share = torch.linspace(0, 1, WIDTH)
    base, source = (made.encode(stand.entities[rows]).dense() for rows in (bases, sources))
    wanted = made.decode(DenseCodes((1 - share) * base + share * source))
    mixed = Latents(made, stand, add_error=False).swapped(bases, sources, share)
    assert torch.allclose(mixed, wanted, atol=1e-6)


def test_a_suite_stores_a_result_with_the_facts_as_its_data(world, tmp_path):
    """Plan, identity, journal and files: from a suite to results on disk, and nothing left to do the second time."""
    lm = load_model(str(world.model))
    suite = tmp_path / "ravel.yaml"
    spec = yaml.safe_load(world.suite.read_text())
    params = {**SETTINGS, "facts": [own_answers(lm, tmp_path / "facts")], "least_pairs": 2, "mdas_epochs": 1}
    spec |= {"tasks": [{"task": "ravel@1", "params": params}], "controls": ["control:identity", "control:random"]}
    suite.write_text(yaml.safe_dump(spec))
    evaluate([str(world.dictionary)], str(suite), out=tmp_path / "results")
    files = sorted((tmp_path / "results").glob("*/ravel@1/*.json"))
    assert len(files) == 3
    for path in files:
        one = json.loads(path.read_text())
        assert [data["part"] for data in one["data"]] == ["ravel read"]
        value = one["metrics"]["disentanglement"]
        assert value["n"] >= 10
        assert 0 <= value["low"] <= value["value"] <= value["high"] <= 1
    before = [path.stat().st_mtime_ns for path in files]
    evaluate([str(world.dictionary)], str(suite), out=tmp_path / "results")
    assert [path.stat().st_mtime_ns for path in files] == before


@pytest.mark.slow
def test_the_packaged_model_knows_large_countries_and_swaps_them():
    """SmolLM2: more than half of the prompts are known; swapping the whole activation changes what is said."""
    params = RavelParams(facts=("countries",), max_entities=40, test_pairs=20, train_pairs=20, least_pairs=8)
    bench = bench_of(load_model("smollm2-135m-instruct"), params, rows_per_block=4)
    one = study("countries", params, bench)
    assert one.known.mean() > 0.5
    pairs = next(pairs for pairs in one.scored if pairs.attribute == "continent")
    stand = Stand(bench, "blocks.9.hook_resid_post", one.prompts, pairs.test)
    cause = np.array([pair.cause for pair in pairs.test])
    kept = stand.correct(pairs.test, lambda base, source: stand.entities[base])
    swapped = stand.correct(pairs.test, lambda base, source: stand.entities[source])
    assert kept[~cause].mean() == 1.0
    assert kept[cause].mean() == 0.0
    assert swapped[cause].mean() > 0.5
    assert swapped[~cause].mean() < 0.3
