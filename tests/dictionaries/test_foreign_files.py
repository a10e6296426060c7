"""Formats that no library is needed for: files written by hand, good and bad."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from saebench.dictionaries import checkpoints
from saebench.dictionaries.codes import SparseCodes
from saebench.dictionaries.foreign import detect, download, load_any, load_foreign, to_sae_lens
from saebench.dictionaries.foreign.sites import site_name
from saebench.errors import CheckpointError, UnknownName, UsageError

D, LATENTS = 6, 20


def state(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "encoder.weight": torch.randn(LATENTS, D, generator=generator),
        "encoder.bias": torch.randn(LATENTS, generator=generator),
        "decoder.weight": torch.nn.functional.normalize(torch.randn(D, LATENTS, generator=generator), dim=0),
        "b_dec": torch.randn(D, generator=generator),
        "k": torch.tensor(4, dtype=torch.int),
        "threshold": torch.tensor(0.5),
    }


def trainer(folder: Path, tensors: Any, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, folder / "ae.pt")
    trained = {"dict_class": "AutoEncoderTopK", "k": 4, "lm_name": "EleutherAI/pythia-70m", "seed": 3, **config}
    (folder / "config.json").write_text(json.dumps({"trainer": trained, "buffer": {}}))
    return folder


def coder(folder: Path, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = state()
    save_file(
        {
            "encoder.weight": tensors["encoder.weight"],
            "encoder.bias": tensors["encoder.bias"],
            "W_dec": tensors["decoder.weight"].T.contiguous(),
            "b_dec": tensors["b_dec"],
        },
        folder / "sae.safetensors",
    )
    (folder / "cfg.json").write_text(json.dumps({"k": 4, "activation": "topk", "d_in": D, **config}))
    return folder


def test_each_format_is_recognised_by_its_files(tmp_path: Path) -> None:
    first = trainer(tmp_path / "trainer_0", state())
    second = coder(tmp_path / "layers.3")
    ours = checkpoints.save(load_any(first), tmp_path / "ours")  # type: ignore[arg-type]
    lens = to_sae_lens(load_any(first), tmp_path / "lens")
    found = [detect(folder) for folder in (first, second, ours, lens)]
    assert found == ["dictionary_learning", "sparsify", "saebench", "sae_lens"]


def test_all_formats_of_one_dictionary_give_the_same_codes(tmp_path: Path) -> None:
    x = torch.randn(50, D)
    origin = load_any(trainer(tmp_path / "trainer_0", state()))
    expected = origin.encode(x).dense()
    folders = (
        coder(tmp_path / "layers.3"),
        checkpoints.save(origin, tmp_path / "ours"),  # type: ignore[arg-type]
        to_sae_lens(origin, tmp_path / "lens"),
    )
    for folder in folders:
        torch.testing.assert_close(load_any(folder).encode(x).dense(), expected)
    assert torch.equal(load_any(folders[1]).tensors()["W_enc"], origin.tensors()["W_enc"])


def test_a_folder_of_no_format_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file or folder"):
        detect(tmp_path / "nowhere")
    (tmp_path / "cfg.json").write_text("{}")
    with pytest.raises(
        CheckpointError, match=r"sparsify needs cfg\.json and sae\.safetensors, sae\.safetensors missing"
    ):
        detect(tmp_path)
    with pytest.raises(CheckpointError, match="is a file; a checkpoint is a folder"):
        detect(tmp_path / "cfg.json")


def test_the_folder_above_names_those_below(tmp_path: Path) -> None:
    trainer(tmp_path / "trainer_0", state())
    trainer(tmp_path / "trainer_1", state())
    with pytest.raises(CheckpointError, match="name one of its folders: trainer_0, trainer_1"):
        load_any(tmp_path)
    with pytest.raises(CheckpointError, match=r"no sparsify checkpoint: cfg\.json is missing"):
        load_foreign(tmp_path, "sparsify")
    with pytest.raises(UnknownName, match="did you mean sparsify"):
        load_foreign(tmp_path, "sparsifyy")


class Hostile:
    """Pickles that would run code when they are loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("raise SystemExit('the pickle ran')",))


@pytest.mark.parametrize("payload", [{"encoder.weight": Hostile()}, Hostile()])
def test_a_pickle_that_wants_more_than_tensors_is_refused_unrun(payload: Any, tmp_path: Path) -> None:
    folder = trainer(tmp_path, payload)
    with pytest.raises(CheckpointError, match=r"ae\.pt: refused: unpickling it would do more.*state_dict"):
        load_any(folder)
    (folder / "ae.pt").write_bytes(pickle.dumps(payload, protocol=2))
    with pytest.raises(CheckpointError, match=r"ae\.pt: "):
        load_any(folder)


def test_whole_modules_and_other_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="refused"):
        load_any(trainer(tmp_path / "module", torch.nn.Linear(2, 2)))
    with pytest.raises(CheckpointError, match="holds no state dict"):
        load_any(trainer(tmp_path / "list", [torch.zeros(2)]))


def test_truncated_files_are_named(tmp_path: Path) -> None:
    folder = trainer(tmp_path / "a", state())
    content = (folder / "ae.pt").read_bytes()
    for length in (0, 10, len(content) // 2):
        (folder / "ae.pt").write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"ae\.pt: "):
            load_any(folder)
    folder = coder(tmp_path / "b")
    content = (folder / "sae.safetensors").read_bytes()
    for length in (0, 10, len(content) // 2):
        (folder / "sae.safetensors").write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"sae\.safetensors: cannot be read"):
            load_any(folder)
    (folder / "cfg.json").write_text('{"k": 4')
    with pytest.raises(CheckpointError, match=r"cfg\.json: no valid JSON"):
        load_any(folder)
    (folder / "cfg.json").write_text("[1]")
    with pytest.raises(CheckpointError, match=r"cfg\.json: holds a JSON list"):
        load_any(folder)


def test_fields_that_are_missing_or_wrong_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"trainer\.dict_class: no reader for class Mystery.*AutoEncoderTopK"):
        load_any(trainer(tmp_path / "a", state(), dict_class="Mystery"))
    with pytest.raises(CheckpointError, match="k: must be int, is 'four'"):
        load_any(trainer(tmp_path / "b", state(), k="four"))
    with pytest.raises(CheckpointError, match=r"k: is 5 here and 4 in ae\.pt"):
        load_any(trainer(tmp_path / "c", state(), k=5))
    with pytest.raises(CheckpointError, match="k: 99 is not between 1 and the 20 latents"):
        load_any(coder(tmp_path / "d", k=99))
    with pytest.raises(CheckpointError, match="activation: unknown activation 'softmax'"):
        load_any(coder(tmp_path / "e", activation="softmax"))
    with pytest.raises(CheckpointError, match="k: 20 latents do not split into 3 groups"):
        load_any(coder(tmp_path / "f", activation="groupmax", k=3))


def test_coders_that_are_no_autoencoders_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="transcode: a transcoder predicts another site"):
        load_any(coder(tmp_path / "a", transcode=True))
    with pytest.raises(CheckpointError, match="skip_connection: "):
        load_any(coder(tmp_path / "b", skip_connection=True))


def test_a_threshold_that_training_never_set_is_refused(tmp_path: Path) -> None:
    unset = {**state(), "threshold": torch.tensor(-1.0)}
    with pytest.raises(CheckpointError, match="threshold: the inference threshold was never set"):
        load_any(trainer(tmp_path, unset, dict_class="BatchTopKSAE"))


def test_groupmax_keeps_the_best_latent_of_each_group(tmp_path: Path) -> None:
    dictionary = load_any(coder(tmp_path, activation="groupmax", k=4))
    x = torch.randn(30, D, generator=torch.Generator().manual_seed(2))
    codes = dictionary.encode(x)
    assert isinstance(codes, SparseCodes)
    tensors = state()
    z = ((x - tensors["b_dec"]) @ tensors["encoder.weight"].T + tensors["encoder.bias"]).relu()
    groups, dense = z.view(30, 4, 5), codes.dense().view(30, 4, 5)
    torch.testing.assert_close(dense.sum(2), groups.max(2).values)
    assert torch.all((dense != 0).sum(2) <= 1)
    checkpoints.save(dictionary, tmp_path / "ours")  # type: ignore[arg-type]
    assert torch.equal(load_any(tmp_path / "ours").encode(x).dense(), codes.dense())


def test_half_precision_is_widened_without_loss(tmp_path: Path) -> None:
    folder = coder(tmp_path)
    half = {name: tensor.contiguous().to(torch.bfloat16) for name, tensor in state().items() if "weight" in name}
    bfloat = {
        "encoder.weight": half["encoder.weight"],
        "encoder.bias": torch.zeros(LATENTS, dtype=torch.bfloat16),
        "W_dec": half["decoder.weight"].T.contiguous(),
        "b_dec": torch.zeros(D, dtype=torch.bfloat16),
    }
    save_file(bfloat, folder / "sae.safetensors")
    dictionary = load_any(folder)
    assert dictionary.atoms is not None
    assert torch.equal(dictionary.atoms, bfloat["W_dec"].float())


def test_provenance_and_sites_come_from_the_configuration(tmp_path: Path) -> None:
    dictionary = load_any(trainer(tmp_path, state(), trainer_class="TopKTrainer", submodule_name="resid_post_layer_4"))
    assert dictionary.sites_in == ("blocks.4.hook_resid_post",)
    origin = dictionary.provenance
    assert (origin.architecture, origin.lm, origin.train_seed) == ("topk", "EleutherAI/pythia-70m", 3)
    assert load_any(coder(tmp_path / "layers.7.mlp")).sites_in == ("blocks.7.hook_mlp_out",)
    assert load_any(coder(tmp_path / "somewhere")).sites_in == ()


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("blocks.8.hook_resid_pre", "blocks.8.hook_resid_pre"),
        ("blocks.8.mlp.hook_post", "blocks.8.mlp.hook_post"),
        ("model.layers.12", "blocks.12.hook_resid_post"),
        ("gpt_neox.layers.3.attention", "blocks.3.hook_attn_out"),
        ("transformer.h.0.mlp", "blocks.0.hook_mlp_out"),
        ("h.0.attn", "blocks.0.hook_attn_out"),
        ("attn_out_layer_2", "blocks.2.hook_attn_out"),
        ("lm_head", None),
        ("model.layers.3.mlp.down_proj", None),
        ("", None),
    ],
)
def test_names_of_places_in_other_libraries(name: str, site: str | None) -> None:
    assert site_name(name) == site


def test_a_hub_name_needs_an_owner_and_failures_name_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="OWNER/REPOSITORY"):
        download("alone")
    import huggingface_hub

    def offline(*_: object, **__: object) -> str:
        raise OSError("no route to host\nlong tail")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(CheckpointError, match=r"hf:someone/saes/layer_3: cannot be downloaded: no route to host \("):
        download("someone/saes/layer_3")


def test_a_folder_of_the_hub_is_read_from_its_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    coder(tmp_path / "layers.3")
    asked: dict[str, Any] = {}

    def snapshot(repo_id: str, **options: Any) -> str:
        asked.update(options, repo_id=repo_id)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert load_any(download("someone/saes/layers.3")).d_dict == LATENTS
    assert asked == {"repo_id": "someone/saes", "allow_patterns": ["layers.3/*"]}
    with pytest.raises(CheckpointError, match=r"layers\.4: the repository has no such folder"):
        download("someone/saes/layers.4")
