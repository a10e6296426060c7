"""One update of the parameters: project, clip, move, renormalise; and the same for a new order of latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.optimiser import OptimiserSpec


class _Adam(torch.optim.Adam):
    """Adam whose fused kernel divides gradients by a number on the way, as it does for gradient scaling."""

    grad_scale: Tensor | None = None


class Updater:
    """The optimiser of one dictionary, with its constraint around it.

    The gradient of a constrained decoder is projected first, then the norm over all parameters is limited, so that the
    limit applies to what is really moved. The shortening happens inside the fused optimiser kernel: no pass over
    the gradients is spent on it.
    """

    def __init__(self, model: SparseAutoencoder, spec: OptimiserSpec) -> None:
        self.model = model
        self.clip = spec.clip
        self.rate = spec.rate(model.d_dict)
        self.parameters: dict[str, nn.Parameter] = dict(model.named_parameters())
        self.adam = _Adam(self.parameters.values(), lr=self.rate, betas=spec.betas, eps=spec.eps, fused=True)

    def step(self, lr: float) -> None:
        """Apply and then drop the gradients that `backward` has left."""
        with torch.no_grad():
            self.model.before_step()
            self.adam.grad_scale = self._shortening()
            for group in self.adam.param_groups:
                group["lr"] = lr
            self.adam.step()
            self.model.after_step()
        self.adam.zero_grad(set_to_none=True)

    def _shortening(self) -> Tensor | None:
        """What the gradients are divided by: max(1, norm / clip)."""
        if self.clip is None:
            return None
        gradients = [value.grad for value in self.parameters.values() if value.grad is not None]
        return (nn.utils.get_total_norm(gradients) / self.clip).clamp(min=1).float()

    def reorder(self, order: Tensor) -> None:
        """Permute latents: parameters and both moments alike."""
        with torch.no_grad():
            for name, value in self.parameters.items():
                if (axis := self.model.latent_axis(name)) is None:
                    continue
                moments = [item for item in self.adam.state[value].values() if item.shape == value.shape]
                for tensor in (value, *moments):
                    tensor.copy_(tensor.index_select(axis, order.to(tensor.device)))

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """The optimiser's tensors by parameter name."""
        return {name: dict(self.adam.state[value]) for name, value in self.parameters.items() if self.adam.state[value]}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """The inverse of `state_dict`."""
        for name, tensors in state.items():
            self.adam.state[self.parameters[name]] = {
                key: tensor if key == "step" else tensor.to(self.parameters[name].device)
                for key, tensor in tensors.items()
            }
