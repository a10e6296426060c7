"""sae-lens itself makes the SAEs; what is read must encode and decode as they do."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from saebench.dictionaries import checkpoints
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.codes import DenseCodes
from saebench.dictionaries.conformance import check_dictionary, decoded
from saebench.dictionaries.contract import Dictionary
from saebench.dictionaries.foreign import adapt, detect, load_any, load_foreign, to_sae_lens
from saebench.errors import CheckpointError, UnknownName

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

D, LATENTS, N = 24, 96, 200
SETTINGS: dict[str, dict[str, Any]] = {
    "standard": {},
    "gated": {},
    "jumprelu": {},
    "topk": {"k": 7},
    "topk_rescaled": {"k": 7, "rescale_acts_by_decoder_norm": True},
    "abstopk": {"k": 7},
    "abstopk_rescaled": {"k": 7, "rescale_acts_by_decoder_norm": True},
}


def activations() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(N, D, generator=generator) * 3 + torch.randn(D, generator=generator)


def sae(name: str, **config: Any) -> Any:
    """An inference SAE of sae-lens with every tensor drawn at random."""
    from sae_lens.registry import get_sae_class
    from sae_lens.saes.sae import SAEMetadata

    cls, config_cls = get_sae_class(name.removesuffix("_rescaled"))
    metadata = SAEMetadata(model_name="pythia-70m", hook_name="blocks.3.hook_resid_post", dataset_path="pile")
    made = cls(config_cls(d_in=D, d_sae=LATENTS, metadata=metadata, **{**SETTINGS[name], **config}))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in made.state_dict().items():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * (0.3 if tensor.ndim == 2 else 0.5))
            if key == "threshold":
                tensor.add_(0.3)
    return made


def assert_same(ours: Dictionary, theirs: Any, x: torch.Tensor, atol: float = 1e-5) -> None:
    with torch.no_grad():
        expected = theirs.encode(x)
        codes = ours.encode(x)
        torch.testing.assert_close(codes.dense(), expected, atol=atol, rtol=1e-5)
        torch.testing.assert_close(decoded(ours, codes, x), theirs.decode(expected), atol=atol, rtol=1e-5)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_folder_encodes_and_decodes_as_in_sae_lens(name: str, centred: bool, tmp_path: Path) -> None:
    theirs = sae(name, apply_b_dec_to_input=centred)
    theirs.save_model(tmp_path)
    assert detect(tmp_path) == "sae_lens"
    ours = load_any(tmp_path)
    assert_same(ours, theirs, activations())
    assert ours.sites_in == ("blocks.3.hook_resid_post",)
    assert (ours.provenance.lm, ours.provenance.data) == ("pythia-70m", "pile")
    assert all(finding.ok for finding in check_dictionary(ours, activations())), check_dictionary(ours, activations())


@pytest.mark.parametrize("how", ["layer_norm", "constant_norm_rescale"])
@pytest.mark.parametrize("name", ["standard", "topk_rescaled"])
def test_run_time_normalisation_is_the_same_and_pure(name: str, how: Any, tmp_path: Path) -> None:
    theirs = sae(name, normalize_activations=how)
    theirs.save_model(tmp_path)
    ours, x = load_any(tmp_path), activations()
    assert_same(ours, theirs, x)
    assert ours.traits.needs_x_in_decode
    assert ours.atoms is None
    assert all(finding.ok for finding in check_dictionary(ours, x)), check_dictionary(ours, x)
    checkpoints.save(ours, tmp_path / "ours")  # type: ignore[arg-type]
    again = load_any(tmp_path / "ours")
    assert again.fingerprint() == ours.fingerprint()
    assert_same(again, theirs, x)


def test_trained_batchtopk_and_matryoshka_are_read_from_both_of_their_forms(tmp_path: Path) -> None:
    from sae_lens.registry import get_sae_training_class

    for name in ("batchtopk", "matryoshka_batchtopk"):
        cls, config_cls = get_sae_training_class(name)
        nested = {"matryoshka_widths": [16, 40, LATENTS]} if name.startswith("matryoshka") else {}
        training = cls(config_cls(d_in=D, d_sae=LATENTS, k=6, **nested))
        with torch.no_grad():
            training.W_dec.mul_(torch.linspace(0.5, 2, LATENTS).unsqueeze(1))
            training.b_dec.copy_(torch.linspace(-1, 1, D))
        training.topk_threshold.fill_(0.7)
        training.save_model(tmp_path / name / "training")
        training.save_inference_model(tmp_path / name / "inference")

        from sae_lens import SAE

        theirs = SAE.load_from_disk(tmp_path / name / "inference")
        for form in ("training", "inference"):
            ours = load_foreign(tmp_path / name / form, "sae_lens")
            assert_same(ours, theirs, activations())
            assert ours.provenance.architecture == name
            assert ours.traits.ordered_latents == name.startswith("matryoshka")


def test_a_scale_of_training_is_folded_when_known_and_refused_when_not(tmp_path: Path) -> None:
    theirs = sae("jumprelu", normalize_activations="expected_average_only_in")
    theirs.save_model(tmp_path)
    with pytest.raises(CheckpointError, match=r"normalize_activations.*neither folded nor stored"):
        load_any(tmp_path)
    (tmp_path / "activation_scaler.json").write_text(json.dumps({"scaling_factor": 0.25}))
    theirs.fold_activation_norm_scaling_factor(0.25)
    assert_same(load_any(tmp_path), theirs, activations())


def test_a_configuration_of_version_5_is_read_as_sae_lens_reads_it(tmp_path: Path) -> None:
    from sae_lens import SAE

    theirs = sae("topk")
    theirs.save_model(tmp_path)
    old = {
        "d_in": D,
        "d_sae": LATENTS,
        "dtype": "float32",
        "device": "cpu",
        "hook_name": "blocks.2.hook_mlp_out",
        "model_name": "gpt2-small",
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": 5},
        "normalize_activations": "none",
        "apply_b_dec_to_input": False,
        "finetuning_scaling_factor": False,
    }
    (tmp_path / "cfg.json").write_text(json.dumps(old))
    ours = load_any(tmp_path)
    assert_same(ours, SAE.load_from_disk(tmp_path), activations())
    assert (ours.provenance.lm, ours.sites_in) == ("gpt2-small", ("blocks.2.hook_mlp_out",))


def test_a_live_sae_is_copied_exactly() -> None:
    theirs = sae("topk_rescaled")
    ours = adapt(theirs)
    assert isinstance(ours, SparseAutoencoder)
    assert_same(ours, theirs, activations())


@pytest.mark.parametrize("name", ["standard", "gated", "jumprelu", "topk", "abstopk"])
def test_what_is_exported_is_read_back_by_sae_lens(name: str, tmp_path: Path) -> None:
    from sae_lens import SAE

    original = sae(name)
    original.save_model(tmp_path / "theirs")
    ours = load_any(tmp_path / "theirs")
    to_sae_lens(ours, tmp_path / "exported")
    exported = SAE.load_from_disk(tmp_path / "exported")
    assert type(exported) is type(original)
    assert_same(ours, exported, activations())
    assert exported.cfg.metadata.hook_name == "blocks.3.hook_resid_post"
    assert exported.cfg.metadata.model_name == "pythia-70m"
    exported.save_model(tmp_path / "saved again")


def test_export_of_our_own_architectures_folds_what_training_put_on_the_input(tmp_path: Path) -> None:
    from sae_lens import SAE

    from saebench.dictionaries import ARCHITECTURES

    x = activations()
    for name in ARCHITECTURES.names():
        composition = ARCHITECTURES.get(name)()
        dictionary = SparseAutoencoder(composition, D, LATENTS, sites=("blocks.1.hook_resid_pre",))
        dictionary.set_scale(x)
        dictionary.initialise(torch.Generator().manual_seed(0), x * dictionary.scale)
        with torch.no_grad():
            for key, weight in dictionary.weights().items():
                if weight.ndim == 1 and key != "b_dec":
                    weight.copy_(torch.rand(weight.shape, generator=torch.Generator().manual_seed(3)) * 0.2)
        assert float(dictionary.scale) != 1
        theirs = SAE.load_from_disk(to_sae_lens(dictionary, tmp_path / name))
        with torch.no_grad():
            folded = dictionary.fold()
        assert_same(folded, theirs, x, atol=2e-5)
        with torch.no_grad():
            torch.testing.assert_close(theirs.decode(theirs.encode(x)), dictionary(x), atol=1e-4, rtol=1e-4)


def test_export_keeps_run_time_normalisation(tmp_path: Path) -> None:
    from sae_lens import SAE

    theirs = sae("topk", normalize_activations="layer_norm")
    exported = SAE.load_from_disk(to_sae_lens(adapt(theirs), tmp_path))
    assert exported.cfg.normalize_activations == "layer_norm"
    assert_same(adapt(theirs), exported, activations())


def test_a_threshold_on_norm_weighted_scores_is_exported_latent_by_latent(tmp_path: Path) -> None:
    from sae_lens import SAE

    from saebench.dictionaries.blocks.composition import Composition
    from saebench.dictionaries.blocks.rules import ScalarThreshold
    from saebench.dictionaries.blocks.sparsifier import NormScore, Sparsifier

    dictionary = SparseAutoencoder(Composition("c", sparsifier=Sparsifier(NormScore(), ScalarThreshold())), D, LATENTS)
    dictionary.initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        dictionary.W_dec.mul_(torch.linspace(0.3, 3, LATENTS).unsqueeze(1))
        dictionary.threshold.fill_(1.0)
    assert_same(dictionary, SAE.load_from_disk(to_sae_lens(dictionary, tmp_path)), activations())


def test_what_sae_lens_has_no_form_for_is_not_exported(tmp_path: Path) -> None:
    from saebench.baselines.controls import Identity
    from saebench.dictionaries.blocks.composition import Composition
    from saebench.dictionaries.blocks.rules import GroupMax
    from saebench.dictionaries.blocks.sparsifier import Sparsifier

    grouped = SparseAutoencoder(Composition("groupmax", sparsifier=Sparsifier(rule=GroupMax(4))), D, LATENTS)
    grouped.initialise(torch.Generator().manual_seed(0))
    with pytest.raises(CheckpointError, match="no form for these blocks: linear, z, group_max"):
        to_sae_lens(grouped, tmp_path / "a")
    with pytest.raises(CheckpointError, match="no form for Identity"):
        to_sae_lens(Identity(4), tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_architectures_without_a_form_are_refused_with_the_reason(tmp_path: Path) -> None:
    theirs = sae("standard")
    theirs.save_model(tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    for architecture, reason in (
        ("skip_transcoder", "another site"),
        ("temporal", "whole sequence"),
        ("matching_pursuit", "pursuit"),
        ("nonsense", "known architectures: standard"),
    ):
        (tmp_path / "cfg.json").write_text(json.dumps({**config, "architecture": architecture}))
        with pytest.raises(CheckpointError, match=f"architecture: '{architecture}'.*{reason}"):
            load_any(tmp_path)


def test_nan_weights_zero_rows_and_missing_tensors_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    theirs = sae("standard")
    theirs.save_model(tmp_path)
    good = {name: tensor.contiguous() for name, tensor in theirs.state_dict().items()}
    broken = {
        "W_enc: 1 of": {**good, "W_enc": good["W_enc"].index_fill(0, torch.tensor([0]), 0.5).clone()},
        "1 decoder rows are all zero, the first is 5": {
            **good,
            "W_dec": good["W_dec"].index_fill(0, torch.tensor([5]), 0),
        },
        "b_enc: no tensor of this name": {name: tensor for name, tensor in good.items() if name != "b_enc"},
        r"b_dec: has shape \[3\]": {**good, "b_dec": torch.zeros(3)},
    }
    broken["W_enc: 1 of"]["W_enc"][0, 0] = float("nan")
    for message, tensors in broken.items():
        save_file(tensors, tmp_path / "sae_weights.safetensors")
        with pytest.raises(CheckpointError, match=message):
            load_any(tmp_path)


def test_release_names_are_checked_before_anything_is_downloaded() -> None:
    with pytest.raises(UnknownName, match="gpt2-small-res-jb"):
        load_foreign("gpt2-small-res-jbb/blocks.8.hook_resid_pre", "sae_lens")
    with pytest.raises(UnknownName, match=r"blocks\.8\.hook_resid_pre"):
        load_foreign("gpt2-small-res-jb/blocks.8.hook_resid_pro", "sae_lens")


def test_a_release_that_cannot_be_reached_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from sae_lens.loading import pretrained_sae_loaders

    def offline(*_: object, **__: object) -> str:
        raise OSError("network is unreachable")

    monkeypatch.setattr(pretrained_sae_loaders, "hf_hub_download", offline)
    with pytest.raises(CheckpointError, match=r"network is unreachable.*check the network"):
        load_foreign("gpt2-small-res-jb/blocks.8.hook_resid_pre", "sae_lens")


def test_edited_codes_decode_alike(tmp_path: Path) -> None:
    theirs = sae("jumprelu")
    theirs.save_model(tmp_path)
    ours, x = load_any(tmp_path), activations()
    with torch.no_grad():
        edited = ours.encode(x).ablate(torch.tensor([0, 5, 9]))
        torch.testing.assert_close(ours.decode(edited), theirs.decode(edited.dense()), atol=1e-5, rtol=1e-5)
        doubled = DenseCodes(ours.encode(x).dense() * 2)
        torch.testing.assert_close(ours.decode(doubled), theirs.decode(doubled.values), atol=1e-5, rtol=1e-5)
