"""Lets the core evaluation of sae-bench score an SAE of sae-lens on a tiny model, and writes its metrics.

Usage: python make_sae_bench.py FOLDER (with sae_bench and saebench importable). Language model and token store are
stand-ins that answer the calls the evaluation makes, straight from the Hugging Face module, so that nothing of
this package but the tiny model's weights takes part.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from sae_bench.evals.core.main import get_downstream_reconstruction_metrics, get_sparsity_and_variance_metrics
from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from saebench.lm.fakes import tiny_model

SITE, LAYER, D, LATENTS = "blocks.1.hook_resid_post", 1, 16, 64
ROWS, CONTEXT, BATCH = 32, 12, 16
SPECIAL = {0, 1, 2}


class Model:
    """What sae-bench asks of a model, on top of a Hugging Face module."""

    def __init__(self, hf):
        self.hf = hf

    def __call__(self, tokens, return_type="both", loss_per_token=True, change=None):
        def hook(module, arguments, output):
            if change is None:
                return output
            return (change(output[0], None), *output[1:]) if isinstance(output, tuple) else change(output, None)

        handle = self.hf.model.layers[LAYER].register_forward_hook(hook)
        with torch.no_grad():
            logits = self.hf(tokens).logits
        handle.remove()
        loss = cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        return logits, loss.view(len(tokens), -1)

    def run_with_hooks(self, tokens, fwd_hooks, **options):
        ((_, change),) = fwd_hooks
        return self(tokens, change=lambda activations, hook: change(activations, hook=hook))

    def run_with_cache(self, tokens, **options):
        kept = {}

        def keep(activations, hook):
            kept[SITE] = activations
            return activations

        logits, _ = self(tokens, change=keep)
        return logits, kept


class Store:
    """Hands out rows of tokens in order."""

    def __init__(self, tokens):
        self.tokens, self.place = tokens, 0

    def get_batch_tokens(self, rows):
        self.place += rows
        return self.tokens[self.place - rows : self.place]


def make_sae(folder: Path, activations: torch.Tensor) -> JumpReLUSAE:
    generator = torch.Generator().manual_seed(0)
    sae = JumpReLUSAE(JumpReLUSAEConfig(d_in=D, d_sae=LATENTS))
    spread = activations.std()
    with torch.no_grad():
        atoms = torch.randn(LATENTS, D, generator=generator)
        atoms /= atoms.norm(dim=1, keepdim=True)
        sae.W_dec.copy_(0.3 * atoms)
        sae.W_enc.copy_(atoms.T)
        sae.b_dec.copy_(activations.mean((0, 1)))
        sae.b_enc.copy_(0.1 * spread * torch.randn(LATENTS, generator=generator))
        sae.threshold.copy_(spread * torch.rand(LATENTS, generator=generator) * 3)
    sae.save_model(folder)
    return sae


def main(out: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(4, 60, (ROWS, CONTEXT), generator=generator)
    tokens[:, 0] = 1
    tokens[3, 8:] = 0
    tokens[20, 8:] = 0
    model = Model(tiny_model("llama", n_layers=3, d_model=D).hf.eval())
    sae = make_sae(out / "sae", model.run_with_cache(tokens)[1][SITE])
    sae.cfg = SimpleNamespace(**vars(sae.cfg), hook_name=SITE, hook_layer=LAYER, hook_head_index=None)
    wanted = dict.fromkeys(("compute_l2_norms", "compute_sparsity_metrics", "compute_variance_metrics"), True) | {
        "compute_featurewise_density_statistics": True,
        "model_kwargs": {},
        "ignore_tokens": SPECIAL,
    }

    def statistics(rows: int):
        with torch.no_grad():
            return get_sparsity_and_variance_metrics(
                sae, model, Store(tokens), n_batches=ROWS // rows, eval_batch_size_prompts=rows, **wanted
            )

    metrics, features = statistics(BATCH)
    metrics["relative_reconstruction_bias_of_one_batch"] = statistics(ROWS)[0]["relative_reconstruction_bias"]
    metrics |= get_downstream_reconstruction_metrics(
        sae,
        model,
        Store(tokens),
        compute_kl=True,
        compute_ce_loss=True,
        n_batches=ROWS // BATCH,
        eval_batch_size_prompts=BATCH,
        ignore_tokens=SPECIAL,
        exclude_special_tokens_from_reconstruction=True,
    )
    mask = torch.stack([tokens != token for token in SPECIAL]).all(0)
    save_file({"tokens": tokens, "mask": mask}, out / "rows.safetensors")
    metrics["feature_density"] = features["feature_density"]
    (out / "metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
