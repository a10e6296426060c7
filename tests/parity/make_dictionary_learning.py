"""Trains one dictionary of every class with dictionary_learning, and writes what it gives.

Usage: python make_dictionary_learning.py FOLDER (with dictionary_learning importable). Of nnsight, which the package
imports for harvesting from language models, one name is needed and nothing is called.
"""

import json
import sys
import types
from pathlib import Path

import torch
from safetensors.torch import save_file

stand_in = types.ModuleType("nnsight")
stand_in.LanguageModel = object
sys.modules["nnsight"] = stand_in

from dictionary_learning.dictionary import AutoEncoderNew  # noqa: E402
from dictionary_learning.trainers import (  # noqa: E402
    BatchTopKTrainer,
    GatedSAETrainer,
    JumpReluTrainer,
    PAnnealTrainer,
    StandardTrainer,
    TopKTrainer,
)
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer  # noqa: E402
from dictionary_learning.trainers.standard import StandardTrainerAprilUpdate  # noqa: E402
from dictionary_learning.training import trainSAE  # noqa: E402
from dictionary_learning.utils import load_dictionary  # noqa: E402

D, LATENTS, STEPS = 16, 64, 6
COMMON = {
    "steps": STEPS,
    "activation_dim": D,
    "dict_size": LATENTS,
    "layer": 3,
    "lm_name": "EleutherAI/pythia-70m",
    "device": "cpu",
    "warmup_steps": 1,
    "seed": 5,
    "submodule_name": "resid_post_layer_3",
}
COUNTED = {"k": 5, "threshold_start_step": 0}
PENALISED = {"sparsity_warmup_steps": 1}
TRAINERS = {
    "standard": {"trainer": StandardTrainer, **PENALISED},
    "april_update": {"trainer": StandardTrainerAprilUpdate, **PENALISED},
    "p_anneal": {"trainer": PAnnealTrainer, "anneal_start": 2, **PENALISED},
    "gated": {"trainer": GatedSAETrainer, **PENALISED},
    "jumprelu": {"trainer": JumpReluTrainer, **PENALISED},
    "topk": {"trainer": TopKTrainer, **COUNTED},
    "batchtopk": {"trainer": BatchTopKTrainer, **COUNTED},
    "matryoshka": {"trainer": MatryoshkaBatchTopKTrainer, "group_fractions": [0.25, 0.25, 0.5], **COUNTED},
}


def perturb(path: Path, generator: torch.Generator) -> None:
    """Random changes to every parameter of a saved state, so that no tensor is left at zero or tied to another."""
    state = torch.load(path, weights_only=True)
    for name, tensor in state.items():
        if tensor.is_floating_point() and name != "threshold":
            tensor += 0.2 * torch.randn(tensor.shape, generator=generator)
        if name == "threshold":
            tensor += 0.3 * torch.rand(tensor.shape, generator=generator)
    torch.save(state, path)


def record(folder: Path, x: torch.Tensor) -> None:
    """What the library's own loader makes of a folder, beside it."""
    dictionary, _ = load_dictionary(str(folder), device="cpu")
    with torch.no_grad():
        codes = dictionary.encode(x)
        x_hat = dictionary.decode(codes)
    save_file({"x": x, "codes": codes.contiguous(), "x_hat": x_hat.contiguous()}, folder / "expected.safetensors")


def main(out: Path) -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    data = [torch.randn(128, D, generator=generator) for _ in range(STEPS + 1)]
    x = torch.randn(100, D, generator=generator) + 0.5
    for name, settings in TRAINERS.items():
        trainSAE(iter(data), [{**COMMON, **settings}], steps=STEPS, save_dir=str(out / name), device="cpu")
        perturb(out / name / "trainer_0" / "ae.pt", generator)
        record(out / name / "trainer_0", x)
    folder = out / "auto_encoder_new" / "trainer_0"
    folder.mkdir(parents=True)
    torch.save(AutoEncoderNew(D, LATENTS).state_dict(), folder / "ae.pt")
    perturb(folder / "ae.pt", generator)
    (folder / "config.json").write_text(json.dumps({"trainer": {"dict_class": "AutoEncoderNew"}}))
    record(folder, x)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
