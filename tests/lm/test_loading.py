from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from saebench.errors import InputError, SaebenchError, UnknownName, UsageError
from saebench.lm import LMS
from saebench.lm.fakes import tiny_model
from saebench.lm.loading import choose_device
from saebench.lm.model import LanguageModel, load_model


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "my-model"
    lm = tiny_model("llama")
    lm.hf.save_pretrained(place)
    lm.tokenizer.save_pretrained(place)
    return place


def load(folder: Path, dtype: torch.dtype = torch.float32) -> LanguageModel:
    return load_model(str(folder), device="cpu", dtype=dtype)


def test_a_saved_model_comes_back_as_it_was(folder: Path) -> None:
    lm, original = load(folder), tiny_model("llama")
    tokens = torch.randint(4, 64, (2, 7))
    assert torch.equal(lm.logits(tokens), original.logits(tokens))
    assert lm.name == "my-model"
    assert (lm.family, lm.n_layers, lm.d_model, lm.bos_id) == ("llama", 3, 16, 1)
    assert lm.tokenizer_hash == original.tokenizer_hash
    assert lm.tokenizer("The cat")["input_ids"] == original.tokenizer("the cat")["input_ids"]


def test_the_hash_is_of_the_weights_and_not_of_the_dtype_computed_in(folder: Path) -> None:
    first = load(folder).weights_hash
    assert len(first) == 32
    assert load(folder).weights_hash == first
    low = load(folder, torch.bfloat16)
    assert low.dtype == torch.bfloat16
    assert low.weights_hash == first


def test_the_hash_moves_with_one_weight(folder: Path) -> None:
    first = load(folder).weights_hash
    file = folder / "model.safetensors"
    state = load_file(file)
    state["model.layers.1.mlp.up_proj.weight"][0, 0] += 1e-6
    save_file(state, file, metadata={"format": "pt"})
    assert load(folder).weights_hash != first


def test_the_hash_does_not_depend_on_place_or_on_how_weights_are_spread_over_files(
    folder: Path, tmp_path: Path
) -> None:
    lm = tiny_model("llama")
    lm.hf.save_pretrained(tmp_path / "shards", max_shard_size="5KB")
    lm.tokenizer.save_pretrained(tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    assert load(tmp_path / "shards").weights_hash == load(folder).weights_hash


def test_the_same_weights_in_another_dtype_on_disk_are_other_weights(folder: Path, tmp_path: Path) -> None:
    lm = tiny_model("llama")
    lm.hf.bfloat16().save_pretrained(tmp_path / "half")
    lm.tokenizer.save_pretrained(tmp_path / "half")
    assert load(tmp_path / "half").weights_hash != load(folder).weights_hash


@pytest.mark.parametrize("zipped", [True, False])
def test_old_checkpoints_of_pytorch_load_too(zipped: bool, folder: Path) -> None:
    first = load(folder).weights_hash
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    assert load(folder).weights_hash == first


def test_seeds_give_different_tiny_models_and_tokenizers_do_not_change_by_use() -> None:
    one, other = tiny_model(seed=0), tiny_model(seed=1)
    assert one.weights_hash != other.weights_hash
    before = one.tokenizer_hash
    other.tokenizer(["a", "bcd"], padding=True, truncation=True, max_length=2)
    assert other.tokenizer_hash == before
    assert tiny_model(vocab=32).tokenizer_hash != before


def test_tokenizer_hash_moves_with_a_special_token() -> None:
    before = tiny_model().tokenizer_hash
    lm = tiny_model()
    lm.tokenizer.bos_token = "<eos>"
    assert lm.tokenizer_hash != before


def test_the_hash_of_a_tokenizer_is_the_same_in_another_process() -> None:
    code = "from saebench.lm.fakes import tiny_model; print(tiny_model().tokenizer_hash, tiny_model().weights_hash)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == [tiny_model().tokenizer_hash, tiny_model().weights_hash]


def test_rows_start_with_bos_else_with_eos_else_nothing_can_be_done() -> None:
    lm = tiny_model()
    assert lm.bos_id == 1
    lm.tokenizer.bos_token = None
    assert lm.bos_id == 2
    lm.tokenizer.eos_token = None
    with pytest.raises(InputError, match="bos_token"):
        _ = lm.bos_id


def test_weights_that_are_missing_are_not_made_up(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        load(folder)


def test_damaged_folders_are_named(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="my-model"):
        load(folder)
    weights.unlink()
    with pytest.raises(InputError, match="my-model"):
        load(folder)
    weights.write_bytes(whole)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="my-model"):
        load(folder)


def test_code_in_a_model_folder_is_never_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("import pathlib; pathlib.Path(__file__).with_name('ran').touch()")
    with pytest.raises(InputError, match="my-model"):
        load(folder)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("name", ["./nowhere", "/no/where/at/all", "~/no-such-model"])
def test_a_missing_folder_is_told_as_one(name: str) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_model(name)


def test_a_name_near_a_packaged_one_gets_it_suggested() -> None:
    with pytest.raises(UnknownName, match="smollm2-135m-instruct") as caught:
        load_model("smollm2-135m-instrct")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "kind"), [("nobody/nothing", InputError), ("nothing", UnknownName)])
def test_a_hub_that_cannot_be_reached_is_one_clear_error(
    name: str, kind: type[SaebenchError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(kind, match="offline") as caught:
        load_model(name)
    assert "stories15m" in str(caught.value)


def test_devices_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == expected
    with pytest.raises(UsageError, match="no device"):
        choose_device("gpu")
    with pytest.raises(UsageError, match="not available"):
        choose_device("cuda:99")
    if not torch.backends.mps.is_available():
        with pytest.raises(UsageError, match="available: cpu"):
            choose_device("mps")


def test_listing_models_is_light() -> None:
    code = (
        "import sys; from saebench.lm import LMS; print(*LMS.names());"
        "print([LMS.get(n).description for n in LMS]); print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[0] == "smollm2-135m-instruct stories15m"
    assert out.splitlines()[-1] == "False False"


def test_every_listed_model_is_an_asset() -> None:
    from saebench.assets import ASSETS

    assert {LMS.get(name).asset for name in LMS} <= {name for name in ASSETS if ASSETS.get(name).kind == "lm"}


def test_the_fingerprint_sees_a_configuration_that_the_weights_do_not() -> None:
    """Llama and Mistral share every tensor here; a sliding window makes them compute other things."""
    llama, mistral = tiny_model("llama"), tiny_model("mistral")
    assert llama.weights_hash == mistral.weights_hash
    assert llama.fingerprint != mistral.fingerprint
    assert llama.fingerprint == tiny_model("llama").fingerprint
