"""Lets the SCR and TPP evaluation of sae-bench choose latents, take them out and score, on made-up activations.

Usage: python make_token_means.py FOLDER (with sae_bench importable). No language model takes part. Masked positions
hold zeros, which is how sae-bench knows them; training texts have some, test texts have none, because its ablation
does not leave masked positions out again.
"""

import json
import sys
from pathlib import Path

import torch
from make_sae_bench import D, make_sae
from sae_bench.evals.scr_and_tpp import main as theirs
from sae_bench.evals.sparse_probing.probe_training import Probe, prepare_probe_data
from safetensors.torch import save_file

CLASSES = ("a", "b", "c")
SIZES = (2, 5, 10, 20, 50)
TRAIN, TEST, T = 12, 9, 7
SCR_LISTS = ("male / female", "professor / nurse", "male_professor / female_nurse")
ACCURACIES = 20


def main(out: Path) -> None:
    out.mkdir(parents=True)
    generator = torch.Generator().manual_seed(3)
    centres = torch.randn(len(CLASSES), D, generator=generator)
    train = {
        name: torch.randn(TRAIN, T, D, generator=generator) + centre
        for name, centre in zip(CLASSES, centres, strict=True)
    }
    for acts in train.values():
        acts[::3, 4:] = 0
    test = {
        name: torch.randn(TEST, T, D, generator=generator) + centre
        for name, centre in zip(CLASSES, centres, strict=True)
    }
    sae = make_sae(out / "sae", torch.cat(list(train.values())))
    tensors = {"test": torch.stack([test[name] for name in CLASSES])}
    probes = {}
    for place, name in enumerate(CLASSES):
        probe = Probe(D, torch.float32)
        probe.net.weight.data = torch.randn(1, D, generator=generator)
        probe.net.bias.data = -(probe.net.weight.data @ centres.mean(0))
        probes[name] = probe
        torch.manual_seed(place)
        tensors[f"{name}/train"], labels = prepare_probe_data(train, name, perform_scr=False)
        tensors[f"{name}/labels"] = labels.long()
        torch.manual_seed(place)
        effects = theirs.get_effects_per_class_precomputed_acts(sae, probe, name, train, False, 5)
        tensors[f"{name}/weights"], tensors[f"{name}/bias"] = probe.net.weight.data[0], probe.net.bias.data
        tensors[f"{name}/effects"] = effects
        for n in SIZES:
            chosen = theirs.select_top_n_features(effects, n, name)
            tensors[f"{name}/chosen {n}"] = chosen
            for other in CLASSES:
                with torch.no_grad():
                    means = theirs.ablated_precomputed_activations(test[other], sae, chosen, 4)
                tensors[f"{name}/ablated {n}/{other}"] = means

    # The two-label variant: the same function with absolute effects, on texts of `a` against texts of `b`.
    paired = {"male / female": train["a"], "female_data_only": train["b"]}
    tensors["scr/effects"] = theirs.get_effects_per_class_precomputed_acts(
        sae, probes["a"], "male / female", paired, True, 5
    )

    drawn = torch.randint(50, 100, (ACCURACIES, 4, 3), generator=generator).double() / 100
    scores = []
    for clean, *after in drawn.tolist():
        named = dict(zip(CLASSES, clean, strict=True))
        by_class = {one: {2: dict(zip(CLASSES, row, strict=True))} for one, row in zip(CLASSES, after, strict=True)}
        tpp, _ = theirs.create_tpp_plotting_dict(by_class, named)
        biased = [f"{SCR_LISTS[2]} probe on {name} data" for name in SCR_LISTS[:2]]
        accuracies = dict(zip([SCR_LISTS[1], SCR_LISTS[0], biased[1], biased[0]], [*clean, after[0][0]], strict=True))
        ablated = {name: {2: {biased[0]: after[1][0], biased[1]: after[1][1]}} for name in SCR_LISTS}
        scores.append({"tpp": tpp, "scr": theirs.get_scr_plotting_dict(ablated, accuracies)})
    (out / "scores.json").write_text(json.dumps({"accuracies": drawn.tolist(), "scores": scores}))
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, out / "tensors.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
