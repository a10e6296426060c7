"""Lets a version of sae-bench judge the absorption of words whose activations and codes are given, and writes both.

The language model is a stand-in: it answers the calls that the calculator makes with the activation that belongs to the
word of a prompt. The SAE is a stand-in as well, with unit atoms and given codes, so that formulas alone are compared.
"""

import itertools
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file

D, LATENTS, WORDS = 16, 40, 400
MAIN = [3, 11, 20]


def given() -> dict[str, torch.Tensor]:
    """Activations near what sparse codes decode to, from words without main latents to words with nothing else."""
    generator = torch.Generator().manual_seed(0)
    atoms = torch.randn(LATENTS, D, generator=generator)
    atoms /= atoms.norm(dim=1, keepdim=True)
    direction = atoms[MAIN].sum(0) + torch.randn(D, generator=generator) / 2
    codes = torch.rand(WORDS, LATENTS, generator=generator) * (torch.rand(WORDS, LATENTS, generator=generator) < 0.15)
    codes[:, MAIN] = torch.rand(WORDS, 3, generator=generator) * (torch.rand(WORDS, 1, generator=generator) < 0.5) / 2
    x = codes @ atoms + 0.2 * torch.randn(WORDS, D, generator=generator)
    return {"atoms": atoms, "direction": direction, "codes": codes, "x": x, "main": torch.tensor(MAIN)}


def judge(out: Path) -> None:
    """Write what is given, and the calculator's verdict on each word."""
    from sae_bench.evals.absorption.feature_absorption_calculator import FeatureAbsorptionCalculator

    data = given()
    names = ["".join(letters) for letters in itertools.islice(itertools.product("bcdfghjk", repeat=3), WORDS)]
    place = {name: index for index, name in enumerate(names)}
    at = {tuple(x.tolist()): index for index, x in enumerate(data["x"])}

    def run_with_cache(prompts, names_filter):
        words = [prompt.splitlines()[-1].removesuffix(":") for prompt in prompts]
        return None, {names_filter[0]: data["x"][[place[word] for word in words]].unsqueeze(1)}

    model = SimpleNamespace(to_tokens=lambda prompt: [[0]], run_with_cache=run_with_cache)
    sae = SimpleNamespace(
        device="cpu",
        W_dec=data["atoms"],
        encode=lambda x: data["codes"][[at[tuple(one.tolist())] for one in x]],
    )
    calculator = FeatureAbsorptionCalculator(model, ["example"], max_icl_examples=1, word_token_pos=-1)
    made = calculator.calculate_absorption(sae, names, data["direction"], MAIN, layer=0, show_progress=False)
    verdicts = {
        "fraction": torch.tensor([float(one.absorption_fraction) for one in made.word_results], dtype=torch.float64),
        "full": torch.tensor([one.is_full_absorption for one in made.word_results]),
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file({**data, **verdicts}, out / "words.safetensors")
