"""The id of a result: a hash of everything that decides its numbers, and of nothing else."""

from __future__ import annotations

from saebench.fingerprint import digest
from saebench.results.schema import Identity


def result_id(identity: Identity) -> str:
    """32 hex digits. A batch size that is not given is left out, so that it never splits results."""
    parts = identity.model_dump(mode="json")
    if identity.batch_size is None:
        del parts["batch_size"]
    return digest(parts)
