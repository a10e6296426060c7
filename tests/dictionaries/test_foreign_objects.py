from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saebench.dictionaries.codes import DenseCodes
from saebench.dictionaries.conformance import check_dictionary
from saebench.dictionaries.foreign import ObjectDictionary, adapt
from saebench.errors import CheckpointError, SubjectFailed


class Plain:
    """Somebody's dictionary: no base class, no configuration."""

    def __init__(self, d: int = 5, latents: int = 12, bias: float = 0.1) -> None:
        self.W_dec = torch.randn(latents, d, generator=torch.Generator().manual_seed(0))
        self.bias = bias

    def encode(self, x: Tensor) -> Tensor:
        return (x @ self.W_dec.T - self.bias).relu()

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ self.W_dec + 1


class Signed(Plain):
    def encode(self, x: Tensor) -> Tensor:
        return x @ self.W_dec.T


class NotAffine(Plain):
    def decode(self, codes: Tensor) -> Tensor:
        return (codes @ self.W_dec).square()


class Module(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.W_dec = nn.Parameter(torch.eye(4))
        self.cfg = SimpleNamespace(hook_name="blocks.2.hook_resid_post", model_name="gpt2", architecture="mine", k=3)

    def encode(self, x: Tensor) -> Tensor:
        return x.relu().to_sparse()

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ self.W_dec


def test_codes_and_reconstructions_are_the_objects_own() -> None:
    theirs, x = Plain(), torch.randn(30, 5)
    ours = adapt(theirs)
    assert torch.equal(ours.encode(x).dense(), theirs.encode(x))
    assert torch.equal(ours.decode(ours.encode(x)), theirs.decode(theirs.encode(x)))
    assert (ours.d_in, ours.d_dict, ours.traits.signed, ours.traits.linear_decoder) == (5, 12, False, True)
    assert all(finding.ok for finding in check_dictionary(ours, x))


def test_signs_and_decoders_that_are_not_affine_are_noticed() -> None:
    assert adapt(Signed()).traits.signed
    bent = adapt(NotAffine())
    assert not bent.traits.linear_decoder
    assert bent.atoms is None


def test_modules_say_where_they_belong_and_move() -> None:
    ours = adapt(Module())
    assert isinstance(ours, ObjectDictionary)
    assert ours.sites_in == ("blocks.2.hook_resid_post",)
    assert (ours.provenance.architecture, ours.provenance.lm) == ("mine", "gpt2")
    double = ours.to("cpu", torch.float64)
    assert double.encode(torch.randn(3, 4)).dense().dtype == torch.float64
    assert not double.encode(torch.randn(3, 4)).dense().requires_grad


def test_identity_follows_tensors_and_settings() -> None:
    base = adapt(Plain()).fingerprint()
    assert adapt(Plain()).fingerprint() == base
    assert adapt(Plain(bias=0.2)).fingerprint() != base
    assert adapt(Signed()).fingerprint() != base
    moved = Plain()
    moved.W_dec[0, 0] += 1
    assert adapt(moved).fingerprint() != base
    other = Module()
    other.cfg.k = 4
    assert adapt(other).fingerprint() != adapt(Module()).fingerprint()


class Budget(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k


def with_parts(**parts: object) -> Module:
    theirs = Module()
    for name, part in parts.items():
        setattr(theirs, name, part)
    return theirs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Budget(3), Budget(4)),
        ([torch.ones(2)], [torch.zeros(2)]),
        (np.ones(2), np.zeros(2)),
        ({"limit": float("inf")}, {"limit": 2.0}),
        (torch.relu, torch.tanh),
        (SimpleNamespace(inner=SimpleNamespace(k=1)), SimpleNamespace(inner=SimpleNamespace(k=2))),
    ],
)
def test_identity_follows_what_lies_deeper(one: object, other: object) -> None:
    assert adapt(with_parts(part=one)).fingerprint() == adapt(with_parts(part=one)).fingerprint()
    assert adapt(with_parts(part=one)).fingerprint() != adapt(with_parts(part=other)).fingerprint()


def test_identity_does_not_follow_the_device_or_end_in_a_circle() -> None:
    here, there = with_parts(device="cpu"), with_parts(device="cuda:1")
    here.cfg.owner, there.cfg.owner = here, there
    assert adapt(here).fingerprint() == adapt(there).fingerprint()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"class SimpleNamespace has no decode \(it needs encode, decode, W_dec"):
        adapt(SimpleNamespace(encode=None, W_dec=None))
    flat = Plain()
    flat.W_dec = torch.zeros(3)
    with pytest.raises(CheckpointError, match="W_dec of Plain must be a tensor"):
        adapt(flat)


def test_an_error_inside_the_object_fails_the_subject_and_names_the_call() -> None:
    theirs = Plain()
    ours = adapt(theirs)
    theirs.bias = None  # type: ignore[assignment]
    with pytest.raises(SubjectFailed, match=r"Plain\.encode raised TypeError"):
        ours.encode(torch.randn(3, 5))
    with pytest.raises(SubjectFailed, match=r"Plain\.decode raised RuntimeError"):
        ours.decode(DenseCodes(torch.zeros(3, 7)))


def test_codes_of_a_wrong_shape_or_kind_fail_the_subject() -> None:
    class Transposed(Plain):
        def encode(self, x: Tensor) -> Tensor:
            return super().encode(x).T

    class Pair(Plain):
        def encode(self, x: Tensor) -> Tensor:
            return super().encode(x).topk(2)  # type: ignore[return-value]

    with pytest.raises(SubjectFailed, match=r"Transposed\.encode returned shape \[12, 8\], not \[8, 12\]"):
        adapt(Transposed())
    with pytest.raises(SubjectFailed, match=r"Pair\.encode returned topk, not a tensor"):
        adapt(Pair())
