"""Does a dictionary keep the contract? Checks for strangers' dictionaries, and for our own tests.

Every check is a property that tasks rely on; none judges how good the dictionary is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Dictionary
from saebench.errors import InputError, SubjectFailed

ONE_HOT = 16
"""Latents whose atoms are compared with what `decode` gives."""
TOLERANCE = 1e-4
"""Relative difference that rounding may make between two batch sizes or two orders of summation."""
FLIPS = 1e-3
"""Part of the active codes that rounding may switch at a threshold."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str
    ok: bool
    detail: str


@torch.no_grad()
def check_dictionary(dictionary: Dictionary, x: Tensor) -> list[Finding]:
    """Check a dictionary on activations of its site.

    Args:
        dictionary: on the device and in the dtype of `x`.
        x: `[n, d_in]`, a few dozen tokens or more; as `[1, n, d_in]` where the dictionary reads sequences.

    Returns:
        One finding a check. The list ends early where encoding or decoding fails altogether.
    """
    findings = [_width(dictionary, x), *_weights(dictionary)]
    if not findings[0].ok:
        return findings
    try:
        codes = dictionary.encode(x)
        findings += _codes(dictionary, codes, x)
        if not findings[-1].ok:
            return findings
        x_hat = decoded(dictionary, codes, x)
        findings.append(_reconstruction(dictionary, x_hat, x))
        findings.append(_purity(dictionary, codes, x, x_hat))
        findings.append(_independence(dictionary, codes, x))
        findings.append(_atoms(dictionary, x))
    except (SubjectFailed, InputError, RuntimeError, ValueError, TypeError, IndexError) as error:
        findings.append(Finding("encode and decode run", False, f"{type(error).__name__}: {error}"))
    return findings


def decoded(dictionary: Dictionary, codes: Codes, x: Tensor) -> Tensor:
    """`decode`, with the activations where the dictionary needs them."""
    return dictionary.decode(codes, x if dictionary.traits.needs_x_in_decode else None)


def _width(dictionary: Dictionary, x: Tensor) -> Finding:
    width = x.shape[-1]
    ok = dictionary.d_in == width
    return Finding("reads the width of the site", ok, f"d_in is {dictionary.d_in}, the site is {width} wide")


def _weights(dictionary: Dictionary) -> Iterator[Finding]:
    bad = [
        name
        for name, tensor in dictionary.tensors().items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
    yield Finding("weights are finite", not bad, f"NaN or infinite: {', '.join(bad)}" if bad else "every tensor")
    atoms = dictionary.atoms
    if atoms is None:
        linear = dictionary.traits.linear_decoder
        yield Finding("atoms are given", not linear, "the decoder is said to be linear" if linear else "not linear")
        return
    expected = [dictionary.d_dict, dictionary.d_out]
    shaped = list(atoms.shape) == expected
    yield Finding("atoms are given", shaped, f"{list(atoms.shape)}" + ("" if shaped else f", not {expected}"))
    empty = int((atoms == 0).all(1).sum())
    yield Finding("no atom is zero", empty == 0, f"{empty} of {len(atoms)} decoder rows are zero")


def _codes(dictionary: Dictionary, codes: Codes, x: Tensor) -> Iterator[Finding]:
    tokens = x.shape[:-1].numel()
    shape = (codes.n, codes.d_dict)
    right = shape == (tokens, dictionary.d_dict)
    yield Finding(
        "codes have the right shape", right, f"{list(shape)} for {tokens} tokens, {dictionary.d_dict} latents"
    )
    if not right:
        return
    values = codes.dense()
    negative = float((values < 0).float().mean())
    truthful = dictionary.traits.signed or negative == 0
    detail = f"{negative:.2%} of codes are negative" if negative else "no negative code"
    yield Finding("signs are as the traits say", truthful, detail)
    finite = bool(values.isfinite().all())
    mean_l0 = float(codes.l0().mean())
    yield Finding("codes are finite", finite, f"L0 {mean_l0:.1f}" if finite else "NaN or infinite codes")


def _reconstruction(dictionary: Dictionary, x_hat: Tensor, x: Tensor) -> Finding:
    name = "reconstructions are finite and of the right shape"
    target = x.reshape(-1, x.shape[-1])
    if list(x_hat.shape) != [len(target), dictionary.d_out]:
        return Finding(name, False, f"{list(x_hat.shape)}, not {[len(target), dictionary.d_out]}")
    if not bool(x_hat.isfinite().all()):
        return Finding(name, False, "NaN or infinite values")
    if dictionary.d_in != dictionary.d_out:
        return Finding(name, True, f"{list(x_hat.shape)}")
    variance = (target - target.mean(0)).square().sum()
    return Finding(name, True, f"FVU {float((target - x_hat).square().sum() / variance):.3f} on these tokens")


def _purity(dictionary: Dictionary, codes: Codes, x: Tensor, x_hat: Tensor) -> Finding:
    """The same codes give the same reconstruction, whatever was encoded and decoded in between."""
    other = x.flip(-2) * 2
    decoded(dictionary, dictionary.encode(other), other)
    dictionary.encode(other)
    again = decoded(dictionary, codes, x)
    worst = float((again - x_hat).abs().max())
    detail = "the same after other calls" if worst == 0 else f"changes by up to {worst:.2g} after other calls"
    return Finding("decode is pure", worst == 0, detail)


def _independence(dictionary: Dictionary, codes: Codes, x: Tensor) -> Finding:
    name = "a token's codes do not depend on the batch"
    traits = dictionary.traits
    if traits.batch_coupled or traits.sequence_coupled or traits.stochastic:
        return Finding(name, True, "not claimed by its traits")
    rows = torch.arange(0, len(x), 3, device=x.device)
    whole, alone = codes.dense()[rows], dictionary.encode(x[rows]).dense()
    allowed = TOLERANCE * whole.abs().max().clamp(min=1e-30)
    differing = int(((whole - alone).abs() > allowed).sum())
    active = max(int((whole != 0).sum()), 1)
    return Finding(name, differing <= FLIPS * active, f"{differing} of {active} active codes differ")


def _atoms(dictionary: Dictionary, x: Tensor) -> Finding:
    """`decode` of a unit code, less `decode` of nothing, is the atom."""
    name = "atoms are what decode adds"
    atoms = dictionary.atoms
    if atoms is None or not dictionary.traits.linear_decoder:
        ok = atoms is None
        return Finding(name, ok, "no linear decoder" if ok else "atoms are given for a decoder that is not linear")
    rows = torch.linspace(0, dictionary.d_dict - 1, min(ONE_HOT, dictionary.d_dict), device=atoms.device).long()
    unit = torch.zeros(len(rows) + 1, dictionary.d_dict, device=atoms.device, dtype=atoms.dtype)
    unit[torch.arange(len(rows)), rows] = 1
    images = decoded(dictionary, DenseCodes(unit), x.reshape(-1, x.shape[-1])[:1].expand(len(unit), -1))
    offset = images[-1]
    worst = float((images[:-1] - offset - atoms[rows]).abs().max())
    bound = TOLERANCE * float(torch.maximum(atoms[rows].abs().max(), offset.abs().max()))
    return Finding(name, worst <= bound, f"largest difference {worst:.2g} over {len(rows)} latents")
