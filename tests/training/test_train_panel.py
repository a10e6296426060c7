import json
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.checkpoints import load
from saebench.dictionaries.contract import Provenance
from saebench.errors import DataError, SubjectFailed, UnknownName, UsageError
from saebench.progress import Bar, Silent
from saebench.training import Member, TrainSettings, train, train_panel


def member(name: str = "topk", *, seed: int = 0, called: str | None = None, lr: float = 3e-3, **options) -> Member:
    composition = ARCHITECTURES.get(name)(**options)
    composition = replace(composition, optimiser=replace(composition.optimiser, lr=lr, lr_width=None))
    return Member(called or f"{name}-{seed}", composition, 128, seed)


def weights(dictionary) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in dictionary.tensors().items()}


def same(a, b) -> bool:
    ours, theirs = weights(a), weights(b)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_training_explains_the_data(toy, unexplained):
    trained = train_panel([member(k=6)], toy.batches(), TrainSettings(steps=400))["topk-0"]
    assert unexplained(trained, toy.held_out()) < 0.2
    assert trained.encode(toy.held_out()).l0().max() <= 6


def test_a_member_is_bit_equal_alone_and_among_others(toy):
    members = [member(k=6), member("relu", seed=1), member("batchtopk", seed=2, k=4), member(k=6, seed=3)]
    settings = TrainSettings(steps=30)
    together = train_panel(members, toy.batches(), settings)
    for one in members:
        alone = train_panel([one], toy.batches(), settings)[one.name]
        assert same(alone, together[one.name])
    assert not same(together["topk-0"], together["topk-3"])


def test_other_random_draws_do_not_reach_a_member(toy):
    torch.manual_seed(1)
    first = train_panel([member(k=6)], toy.batches(), TrainSettings(steps=5))["topk-0"]
    torch.manual_seed(2)
    torch.rand(7)
    assert same(first, train_panel([member(k=6)], toy.batches(), TrainSettings(steps=5))["topk-0"])


@pytest.mark.parametrize("name", ["topk", "relu", "batchtopk"])
def test_units_of_the_activations_do_not_matter(toy, name):
    """A power of two is exact in floating point, so mean-scaled training sees the same numbers."""
    x, settings = toy.activations(2048, 0), TrainSettings(steps=30)
    plain = train(member(name).composition, x, d_dict=64, settings=settings, batch_size=256)
    large = train(member(name).composition, x * 64, d_dict=64, settings=settings, batch_size=256)
    held_out = toy.held_out(256)
    assert torch.allclose(
        large.decode(large.encode(held_out * 64)) / 64, plain.decode(plain.encode(held_out)), atol=1e-5
    )


def test_unit_atoms_have_norm_one(toy):
    trained = train_panel([member("relu")], toy.batches(), TrainSettings(steps=20))["relu-0"]
    assert torch.allclose(trained.atoms.norm(dim=1), torch.ones(128), atol=1e-5)


def test_the_log_and_the_checkpoint_say_what_was_done(toy, tmp_path):
    provenance = Provenance(lm="a model", data="a corpus", documents=("d1", "d2"))
    settings = TrainSettings(steps=25, log_every=10, dead_after=10**9)
    trained = train_panel(
        [member(k=6)], toy.batches(), settings, out=tmp_path, sites=("blocks.1.hook_resid_post",), provenance=provenance
    )["topk-0"]
    lines = [json.loads(line) for line in (tmp_path / "topk-0" / "train.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 10, 20, 25]
    assert [line["tokens"] for line in lines] == [256, 2560, 5120, 6400]
    assert all(line["l0"] <= 6 and line["dead_fraction"] == 0 for line in lines)
    assert lines[-1]["fvu"] < lines[0]["fvu"]
    loaded = load(tmp_path / "topk-0")
    assert same(loaded, trained)
    assert loaded.provenance == trained.provenance
    assert loaded.sites_in == ("blocks.1.hook_resid_post",)
    seen = loaded.provenance
    assert (seen.architecture, seen.lm, seen.data, seen.documents) == ("topk", "a model", "a corpus", ("d1", "d2"))
    assert (seen.train_seed, seen.tokens) == (0, 6400)
    assert sorted(item.name for item in (tmp_path / "topk-0").iterdir()) == [
        "config.json",
        "train.jsonl",
        "weights.safetensors",
    ]


def test_silent_latents_count_as_dead_after_so_many_tokens(toy, tmp_path):
    """With one latent a token and five tokens a batch, at least 123 of 128 are silent in every batch."""
    settings = TrainSettings(steps=4, log_every=1, dead_after=10)
    train_panel([member(k=1)], toy.batches(size=5), settings, out=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "topk-0" / "train.jsonl").read_text().splitlines()]
    dead = [line["dead_fraction"] for line in lines]
    assert dead[0] == 0
    assert all(share >= 1 - 2 * 5 / 128 for share in dead[1:])
    assert all(share < 1 for share in dead)


def test_progress_sees_every_step_and_the_spread_over_members(toy):
    class Recorder(Bar):
        steps = 0.0
        fields: ClassVar[dict[str, object]] = {}

        def advance(self, amount=1, **fields):
            Recorder.steps += amount
            Recorder.fields = fields or Recorder.fields

    class Watching(Silent):
        def bar(self, label, total, unit):
            assert (label, total, unit) == ("training 2 dictionaries", 7, "steps")
            return Recorder()

    train_panel(
        [member(k=4, called="a"), member(k=8, called="b")], toy.batches(), TrainSettings(steps=7), progress=Watching()
    )
    assert Recorder.steps == 7
    assert set(Recorder.fields) == {"loss", "l0", "dead"}
    assert Recorder.fields["l0"] == "4-8"


def test_a_member_that_diverges_is_named_and_the_others_are_kept(toy, tmp_path):
    bad = member("relu", called="wild", lr=1e30)
    with pytest.raises(
        SubjectFailed, match=r"member 'wild': the loss of step \d+ is not finite.*the other 1 are trained"
    ):
        train_panel([bad, member(k=6)], toy.batches(), TrainSettings(steps=20), out=tmp_path)
    alone = train_panel([member(k=6)], toy.batches(), TrainSettings(steps=20))["topk-0"]
    assert same(load(tmp_path / "topk-0"), alone)
    assert not (tmp_path / "wild" / "config.json").exists()


def test_activations_that_are_not_finite_are_blamed_themselves(toy):
    batches = [toy.activations(64, 0), toy.activations(64, 1)]
    batches[1][3, 4] = float("nan")
    with pytest.raises(DataError, match="activations of step 1 hold NaN"):
        train_panel([member(k=6)], batches, TrainSettings(steps=2, first_batches=1))


def test_activations_that_end_early_are_an_error(toy):
    with pytest.raises(DataError, match="ended after 3 batches"):
        train_panel([member(k=6)], [toy.activations(64, 0)] * 3, TrainSettings(steps=5))


def test_wrong_calls_are_refused(toy):
    with pytest.raises(UsageError, match="same name"):
        train_panel([member(k=6), member(k=6)], toy.batches(), TrainSettings(steps=5))
    with pytest.raises(UsageError, match="cannot name a folder"):
        member(called="../x")
    with pytest.raises(UsageError, match="d_dict is 0"):
        replace(member(), d_dict=0)
    with pytest.raises(UsageError, match="steps is 0"):
        TrainSettings(steps=0)
    with pytest.raises(UsageError, match="float8"):
        TrainSettings(steps=1, dtype="float8")
    with pytest.raises(UnknownName, match="topk"):
        train("topkk", toy.activations(64, 0), d_dict=8, steps=1)
    with pytest.raises(UsageError, match="'topk' does not take l0"):
        train("topk", toy.activations(64, 0), d_dict=8, steps=1, l0=3)
    with pytest.raises(UsageError, match="either"):
        train("topk", toy.activations(64, 0), d_dict=8)


def test_the_learning_rate_rises_stays_and_falls():
    settings = TrainSettings(steps=100, warm_up=0.1, decay=0.2)
    rates = [settings.lr_factor(step) for step in range(100)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert rates[10:80] == [1.0] * 70
    assert rates[80:] == pytest.approx([left / 20 for left in range(20, 0, -1)])


def test_tokens_become_steps_rounded_up():
    assert TrainSettings.for_tokens(1000, 256).steps == 4
