"""Lets sae-probes probe an SAE of sae-lens and raw activations on four of its own data sets, and writes its metrics.

Usage: python make_sae_probes.py FOLDER (with sae_probes importable). Activations are drawn here, one vector for each
distinct prompt, with the label mixed in; xgboost, which the package imports for a probe that is not compared, is not
called. All labels of the package's two-class files are written too.
"""

import importlib
import json
import sys
import types
import warnings
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.modules["xgboost"] = types.ModuleType("xgboost")
warnings.simplefilter("ignore")

from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig  # noqa: E402
from sae_probes.utils_data import (  # noqa: E402
    get_numbered_binary_tags,
    get_xy_traintest,
    get_yvals,
    read_numbered_dataset_df,
)
from sae_probes.utils_training import find_best_reg  # noqa: E402

# The package has a function of the same name, which hides the module.
evals = importlib.import_module("sae_probes.run_sae_evals")

SETS = ("5_hist_fig_ismale", "66_living-room", "96_spam_is", "130_temp_cat_Frequency")
KS = [1, 2, 5, 10, 16, 128]
D, LATENTS, SITE, MODEL = 32, 512, "blocks.1.hook_resid_post", "drawn"


def activations(name: str, generator: torch.Generator) -> torch.Tensor:
    """`[rows, D]`: equal prompts have equal vectors, whatever label they carry."""
    prompts, y = read_numbered_dataset_df(name)["prompt"], torch.from_numpy(get_yvals(name)).float()
    first = prompts.reset_index().groupby("prompt", sort=False)["index"].first()
    place = torch.from_numpy(first.loc[prompts].to_numpy())
    noise = torch.randn(len(y), D, generator=generator) * 3
    return (noise + y[:, None] * torch.randn(D, generator=generator))[place].contiguous()


def make_sae(folder: Path, generator: torch.Generator) -> TopKSAE:
    sae = TopKSAE(TopKSAEConfig(d_in=D, d_sae=LATENTS, k=24))
    atoms = torch.randn(LATENTS, D, generator=generator)
    with torch.no_grad():
        sae.W_dec.copy_(atoms / atoms.norm(dim=1, keepdim=True))
        sae.W_enc.copy_(sae.W_dec.T)
        sae.b_enc.copy_(0.1 * torch.randn(LATENTS, generator=generator))
    sae.save_model(folder)
    return sae


def codes_of(sae: TopKSAE, name: str, cache: Path) -> dict[str, torch.Tensor]:
    """The codes that the package probes, with their labels."""
    made = evals.generate_sae_activations(
        sae=sae,
        setting="normal",
        dataset=name,
        hook_name=SITE,
        model_name=MODEL,
        device="cpu",
        num_train=None,
        frac=None,
        model_cache_path=cache,
    )
    return {f"{name}/{part}": value.contiguous() for part, value in made._asdict().items()}


def main(out: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    sae = make_sae(out / "sae", generator)
    cache = out / "cache"
    folder = cache / f"model_activations_{MODEL}"
    folder.mkdir(parents=True)
    expected, drawn, codes = {}, {}, {}
    for name in SETS:
        drawn[name] = activations(name, generator)
        torch.save(drawn[name], folder / f"{name}_{SITE}.pt")
        expected[name] = {}
        codes |= codes_of(sae, name, cache)
        for binarise in (False, True):
            arguments = {
                "sae": sae,
                "dataset": name,
                "hook_name": SITE,
                "reg_type": "l1",
                "setting": "normal",
                "model_name": MODEL,
            }
            evals.run_sae_eval(
                **arguments,
                model_cache_path=cache,
                binarize=binarise,
                device="cpu",
                ks=KS,
                results_path=out / "results",
            )
            written = evals.get_save_metrics_path(
                name, SITE, "l1", MODEL, sae_results_path=out / "results", binarize=binarise
            )
            expected[name]["binary" if binarise else "plain"] = json.loads(written.read_text())
        train = min(len(drawn[name]) - 100, 1024)
        rows = get_xy_traintest(train, name, SITE, MODEL, cache)
        expected[name]["raw"] = asdict(find_best_reg(*rows, penalty="l2", seed=42).metrics)
    save_file(drawn, out / "activations.safetensors")
    save_file(codes, out / "codes.safetensors")
    (out / "expected.json").write_text(json.dumps(expected))
    labels = {name: get_yvals(name).tolist() for name in get_numbered_binary_tags()}
    (out / "labels.json").write_text(json.dumps(labels))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
