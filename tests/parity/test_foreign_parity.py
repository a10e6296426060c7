"""Adapters against the libraries themselves, on checkpoints that those made (see prepare.py)."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from saebench.dictionaries.conformance import check_dictionary
from saebench.dictionaries.foreign import detect, load_any

pytestmark = pytest.mark.parity

CASES = {
    "dictionary_learning": (
        "standard",
        "april_update",
        "p_anneal",
        "gated",
        "jumprelu",
        "topk",
        "batchtopk",
        "matryoshka",
        "auto_encoder_new",
    ),
    "sparsify": ("topk", "free_decoder", "square", "expansion", "groupmax"),
}


@pytest.mark.parametrize(("peer", "case"), [(peer, case) for peer, cases in CASES.items() for case in cases])
def test_codes_and_reconstructions_are_the_peers(peer: str, case: str, peers: Path) -> None:
    (folder,) = (peers / peer / case).iterdir()
    assert detect(folder) == peer
    dictionary, expected = load_any(folder), load_file(folder / "expected.safetensors")
    assert (expected["codes"] != 0).any(1).float().mean() > 0.9
    with torch.no_grad():
        codes = dictionary.encode(expected["x"])
        torch.testing.assert_close(codes.dense(), expected["codes"], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(dictionary.decode(codes), expected["x_hat"], atol=1e-5, rtol=1e-5)
    assert [finding for finding in check_dictionary(dictionary, expected["x"]) if not finding.ok] == []
    if case != "auto_encoder_new":
        assert dictionary.sites_in == ("blocks.3.hook_resid_post",)
