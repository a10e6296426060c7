"""What a suite may set for `ravel@1`."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from saebench.tasks.contract import Params


class RavelParams(Params):
    """All of it is identity: it changes the pairs, or what is learned from them."""

    facts: tuple[str, ...] = Field(default=("cities", "countries"), min_length=1)
    """Sets of facts: "cities", "countries", or PATH#TYPE for an entity type of RAVEL's own files."""
    attributes: tuple[str, ...] = ()
    """Attributes that are asked about; none: all that the sets have templates for."""
    max_entities: PositiveInt = 150
    """Entities of a set, the best known first."""
    max_templates: PositiveInt = 2
    """Templates of an attribute on each side."""
    context: PositiveInt = 64
    """Longest prompt in tokens, begin of text and answer included; longer ones are left out and counted."""
    test_share: float = Field(default=0.5, gt=0, lt=1)
    """Share of the entities that are tested, where the facts do not split them."""
    train_pairs: PositiveInt = 64
    """Pairs of each kind (cause, isolation) that a mask is learned from, at most, for each attribute."""
    test_pairs: PositiveInt = 60
    """Pairs of each kind that it is tested on, at most, for each attribute."""
    least_pairs: PositiveInt = 20
    """With fewer pairs of a kind on a side an attribute is not scored."""
    epochs: PositiveInt = 2
    """Walks over the training pairs."""
    batch: PositiveInt = 16
    """Pairs in a step of the descent: it changes what is learned."""
    learning_rate: PositiveFloat = 0.1
    """Adam's, for the mask."""
    add_error: bool = False
    """Keep what the dictionary does not reconstruct of the base's activation. Without it, as in SAEBench, a dictionary
    has to carry all that the answers need; with it, only the swapped latents count."""
    mdas_rank: PositiveInt = 64
    """Dimensions of the dense rival's subspace."""
    mdas_epochs: PositiveInt = 2
    """Walks over the training pairs for the dense rival."""
    mdas_learning_rate: PositiveFloat = 0.01
    """Adam's, for the dense rival."""
