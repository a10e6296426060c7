"""What two dictionaries say about the same tokens: codes, reconstructions, and what inserting a latent would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from saebench.activations.sets import ActivationSet
from saebench.dictionaries.code_matrices import as_csr
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Dictionary
from saebench.errors import DataError, SubjectFailed
from saebench.fingerprint import digest
from saebench.matching.stitching import Insertions
from saebench.tasks.contract import Bench

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Tokens:
    """Tokens that all pairs are read on."""

    positions: Array
    """`row * context + place`, ascending, `[n]`."""
    documents: Array
    """Document of each, `[n]`."""
    compared: Array
    """Which of them CKA compares, bool `[n]`."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Both members on the same tokens."""

    codes: tuple[Any, Any]
    """scipy CSR `[n, d_dict]`, float32."""
    reconstructions: tuple[Array, Array]
    """Of the tokens that CKA compares, `[m, d]` float32."""
    insertions: Insertions | None
    """Of each latent of the larger one into the smaller; None where the sites differ or an image is not defined."""


def seed_of(name: str, eval_seed: int) -> int:
    """A seed for one purpose."""
    return int(digest({"similarity": name, "seed": eval_seed})[:12], 16)


def choose(data: ActivationSet, tokens: int, compared: int, eval_seed: int) -> Tokens:
    """At most `tokens` unmasked tokens, drawn without regard to documents, and those among them that CKA compares.

    Raises:
        DataError: no token is unmasked.
    """
    places = np.flatnonzero(data.mask)
    if not len(places):
        raise DataError("no unmasked token to evaluate", field=data.rows.name)
    order = np.random.default_rng(seed_of("tokens", eval_seed)).permutation(len(places))[:tokens]
    chosen = np.zeros(len(places), dtype=bool)
    chosen[order] = True
    first = np.zeros(len(places), dtype=bool)
    first[order[:compared]] = True
    positions = places[chosen]
    return Tokens(positions, np.asarray(data.documents).ravel()[positions], first[chosen])


def read(
    members: tuple[Dictionary, Dictionary],
    data: tuple[ActivationSet, ActivationSet],
    tokens: Tokens,
    bench: Bench,
    larger: int | None,
) -> Reading:
    """Encode and decode the tokens with both members.

    Args:
        members: the pair.
        data: activations of the site of each.
        tokens: which to read.
        bench: for device and block size.
        larger: whose latents are inserted into the other's reconstruction, where that is defined.

    Raises:
        SubjectFailed: a member reads whole sequences, or gives numbers that are not finite or of a wrong shape.
    """
    for member in members:
        if member.traits.sequence_coupled:
            raise SubjectFailed("it encodes whole sequences, and this task hands over single tokens")
    size = bench.rows_per_block * data[0].context
    codes: tuple[list[Any], list[Any]] = ([], [])
    images: tuple[list[Array], list[Array]] = ([], [])
    insertions = None
    if larger is not None:
        insertions = Insertions.none(members[larger].d_dict, data[0].width)
    for start in range(0, len(tokens.positions), size):
        places = tokens.positions[start : start + size]
        compared = tokens.compared[start : start + size]
        inputs: dict[str, Tensor] = {}
        errors: list[Array] = []
        for side, (member, one) in enumerate(zip(members, data, strict=True)):
            if one.site not in inputs:
                inputs[one.site] = one.take(places).to(bench.lm.device, bench.lm.dtype)
            x = inputs[one.site]
            made, decoded = reconstruct(member, x)
            codes[side].append(as_csr(made))
            image = decoded.float().cpu().numpy()
            images[side].append(image[compared])
            errors.append(x.float().cpu().numpy() - image)
        if insertions is not None and larger is not None:
            own = codes[larger][-1]
            insertions.images += own.T @ errors[1 - larger]
            insertions.squares += np.asarray(own.multiply(own).sum(axis=0), dtype=np.float64).ravel()
    first, second = (sparse.vstack(parts, format="csr") for parts in codes)
    return Reading((first, second), (np.concatenate(images[0]), np.concatenate(images[1])), insertions)


def reconstruct(member: Dictionary, x: Tensor) -> tuple[Codes, Tensor]:
    """Codes and reconstruction of activations `x` `[n, d]`.

    Raises:
        SubjectFailed: the reconstruction has the wrong shape or is not finite.
    """
    with torch.inference_mode():
        codes = member.encode(x)
        decoded = member.decode(codes, x if member.traits.needs_x_in_decode else None)
    if decoded.shape != (len(x), member.d_out) or codes.n != len(x):
        raise SubjectFailed(f"{codes.n} codes, decoded to {tuple(decoded.shape)}, for {len(x)} tokens")
    if not bool(torch.isfinite(decoded).all()):
        raise SubjectFailed("the reconstruction holds NaN or an infinity")
    return codes, decoded
