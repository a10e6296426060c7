"""Saves coders with EleutherAI's sparsify, and writes what it gives.

Usage: python make_sparsify.py FOLDER (with sparsify importable).
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from sparsify import SparseCoder, SparseCoderConfig

D, LATENTS = 16, 64
CASES = {
    "topk": {},
    "free_decoder": {"normalize_decoder": False},
    "square": {"num_latents": D, "k": 4},
    "expansion": {"num_latents": 0, "expansion_factor": 3},
    "groupmax": {"activation": "groupmax", "k": 8},
}


def main(out: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(100, D, generator=generator) + 0.5
    for name, settings in CASES.items():
        coder = SparseCoder(D, SparseCoderConfig(**{"num_latents": LATENTS, "k": 6, **settings}))
        with torch.no_grad():
            for parameter in coder.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        folder = out / name / "layers.3"
        coder.save_to_disk(folder)
        loaded = SparseCoder.load_from_disk(folder, device="cpu")
        with torch.no_grad():
            values, latents, _ = loaded.encode(x)
            x_hat = loaded.decode(values, latents)
        codes = torch.zeros(len(x), loaded.num_latents).scatter_(1, latents, values)
        save_file({"x": x, "codes": codes, "x_hat": x_hat.contiguous()}, folder / "expected.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
