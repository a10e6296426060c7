import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from dictionary_cases import WIDTH, D, catalogue, inputs, model
from safetensors.torch import load_file, save_file

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.checkpoints import load, save
from saebench.dictionaries.contract import Provenance
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import CheckpointError, StorageError
from saebench.results import atomic


def trained(name: str = "jumprelu") -> SparseAutoencoder:
    return model(catalogue(name), scale=1.2).fold().to("cpu", torch.float32)


@pytest.mark.parametrize("name", ARCHITECTURES.names())
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_reloaded_dictionary_computes_the_same_bits(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    dictionary, x = trained(name).to("cpu", dtype), inputs().to(dtype)
    again = load(save(dictionary, tmp_path))
    assert again.fingerprint() == dictionary.fingerprint()
    assert again.sites_in == dictionary.sites_in
    assert again.traits == dictionary.traits
    with torch.no_grad():
        assert torch.equal(again.encode(x).dense(), dictionary.encode(x).dense())
        assert torch.equal(again.decode(again.encode(x)), dictionary.decode(dictionary.encode(x)))


def test_an_unfolded_dictionary_keeps_its_scale(tmp_path: Path) -> None:
    dictionary = model(catalogue("topk", k=4), scale=0.3)
    again = load(save(dictionary, tmp_path))
    assert again.fingerprint() == dictionary.fingerprint()
    with torch.no_grad():
        assert torch.equal(again.decode(again.encode(inputs())), dictionary(inputs()))


def test_what_it_was_trained_with_stays_beside_the_inference_form(tmp_path: Path) -> None:
    dictionary = trained("batchtopk")
    save(dictionary, tmp_path / "a")
    save(load(tmp_path / "a"), tmp_path / "b")  # type: ignore[arg-type]
    first, second = (json.loads((tmp_path / name / "config.json").read_text()) for name in "ab")
    assert first == second
    assert first["recipe"]["sparsifier"]["rule"] == {"kind": "scalar_threshold"}
    assert first["training"]["sparsifier"]["rule"] == {"kind": "batch_topk", "k": 4}
    assert first["tensors"]["W_enc"] == {"dtype": "float32", "shape": [D, WIDTH]}


def test_provenance_comes_back_and_is_no_identity(tmp_path: Path) -> None:
    dictionary = trained()
    before = dictionary.fingerprint()
    dictionary.provenance = Provenance(
        "jumprelu", lm="tiny", documents=("ab", "cd"), train_seed=3, tokens=10, extra={"note": [1, 2]}
    )
    assert dictionary.fingerprint() == before
    assert load(save(dictionary, tmp_path)).provenance == dictionary.provenance


@pytest.mark.parametrize("name", ["gated", "jumprelu", "batchtopk"])
def test_every_tensor_is_identity(name: str) -> None:
    dictionary = trained(name)
    seen = {dictionary.fingerprint()}
    for weight in dictionary.weights().values():
        with torch.no_grad():
            weight.view(-1)[0] += 1e-3
        seen.add(dictionary.fingerprint())
    assert len(seen) == 1 + len(dictionary.weights())


def test_the_budget_is_identity() -> None:
    one = model(catalogue("topk", k=4))
    other = one.rewritten(catalogue("topk", k=5), one.weights())
    assert one.fingerprint() != other.fingerprint()


def edit_config(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        change(config)
        path.write_text(json.dumps(config))

    return damage


def edit_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "weights.safetensors")
        change(tensors)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "weights.safetensors")

    return damage


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100]) and None


DAMAGES: dict[str, Callable[[Path], None]] = {
    "weights.safetensors: no such file": lambda folder: (folder / "weights.safetensors").unlink(),
    "config.json: no such file": lambda folder: (folder / "config.json").unlink(),
    "weights.safetensors: damaged or cut short": cut("weights.safetensors"),
    "config.json: cannot be read": cut("config.json"),
    "config.json: schema_version: schema version 9 is newer than 1": edit_config(lambda c: c.update(schema_version=9)),
    "config.json: sites": edit_config(lambda c: c.pop("sites")),
    "unknown encoder block 'liner'": edit_config(
        lambda c: c["recipe"].update(encoder={"kind": "liner"})  # type: ignore[attr-defined]
    ),
    "unknown kind of dictionary 'orakel'": edit_config(lambda c: c.update(recipe={"kind": "orakel"})),
    "recipe.d_in: is missing": edit_config(lambda c: c["recipe"].pop("d_in")),  # type: ignore[attr-defined]
    "has shape .* but d_in = 9": edit_config(lambda c: c["recipe"].update(d_in=D + 1)),  # type: ignore[attr-defined]
    "b_enc: tensor is absent from weights": edit_tensors(lambda t: t.pop("b_enc")),
    r"W_dec: is float32 \[3, 8\]": edit_tensors(lambda t: t.update(W_dec=t["W_dec"][:3])),
    "b_dec: 1 of 8 values are NaN or infinite": edit_tensors(lambda t: t["b_dec"][2].fill_(float("nan"))),
    "W_enc: 2 of 192 values are NaN or infinite": edit_tensors(lambda t: t["W_enc"][0, :2].fill_(float("inf"))),
    "W_dec: 1 decoder rows are all zero, the first is 5": edit_tensors(lambda t: t["W_dec"][5].zero_()),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_a_damaged_checkpoint_is_refused_with_file_and_field(words: str, tmp_path: Path) -> None:
    save(trained(), tmp_path)
    DAMAGES[words](tmp_path)
    with pytest.raises(CheckpointError, match=words):
        load(tmp_path)


def test_other_blocks_than_the_tensors_belong_to_are_refused(tmp_path: Path) -> None:
    save(trained("relu"), tmp_path)
    edit_config(lambda c: c["recipe"]["sparsifier"].update(rule={"kind": "latent_threshold"}))(tmp_path)  # type: ignore[index]
    with pytest.raises(CheckpointError, match="threshold: is missing"):
        load(tmp_path)


def test_unsound_dictionaries_are_not_written(tmp_path: Path) -> None:
    never_trained = SparseAutoencoder(catalogue("batchtopk"), D, WIDTH)
    with torch.no_grad():
        never_trained.W_dec.fill_(1)
    with pytest.raises(CheckpointError, match="threshold: was never set"):
        save(never_trained, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_named_and_leaves_no_half_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        save(trained(), tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_packaged_fake_is_a_dictionary_like_any_other(tmp_path: Path) -> None:
    fake = RandomLinear.draw(D, WIDTH, offset=0.2)
    x = inputs().float()
    again = load(save(replace(fake, sites=("here",)), tmp_path))
    assert again.fingerprint() == fake.fingerprint()
    assert again.sites_in == ("here",)
    expected = (x @ fake.atoms.T - 0.2).relu()
    torch.testing.assert_close(again.encode(x).dense(), expected)
    torch.testing.assert_close(again.decode(again.encode(x)), expected @ fake.atoms)
