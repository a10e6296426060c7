"""What the README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.checkpoints import load, save

README = Path(__file__).parents[1] / "README.md"


def test_the_new_architecture_trains_and_survives_its_checkpoint(tmp_path):
    example = next(text for text in re.findall(r"```python\n(.*?)```", README.read_text(), re.S) if "register" in text)
    assert len(example.splitlines()) <= 30
    small = example.replace("d_dict=4096, k=32, steps=2000", "d_dict=64, k=4, steps=30")
    names = {"activations": torch.randn(4096, 16, generator=torch.Generator().manual_seed(0))}
    try:
        exec(compile(small, str(README), "exec"), names)
    finally:
        ARCHITECTURES.remove("abs_topk")
    dictionary = names["dictionary"]
    x = torch.randn(50, 16, generator=torch.Generator().manual_seed(1))
    codes = dictionary.encode(x)
    assert codes.l0().tolist() == [4.0] * 50
    assert (codes.dense() < 0).any()
    error = (x - dictionary.decode(codes)).square().sum()
    assert error < (x - x.mean(0)).square().sum()
    save(dictionary, tmp_path / "made")
    assert torch.equal(load(tmp_path / "made").encode(x).dense(), codes.dense())
