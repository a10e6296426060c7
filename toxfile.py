"""A tox runner for environments that name the same env_dir: they are one installation, not one recreated for each."""

from __future__ import annotations

from typing import Any

from tox.plugin import impl
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
from tox.tox_env.register import ToxEnvRegister


class SharedInfo(Info):
    """What tox remembers of an env_dir, under the folder's name instead of the environment's."""

    def compare(self, value: Any, section: str, sub_section: str | None = None) -> Any:
        """As `Info.compare`: has what is remembered changed?"""
        if section == "ToxEnv":
            value = {**value, "name": self._path.parent.name}
        return super().compare(value, section, sub_section)


class Shared(VirtualEnvRunner):
    """tox's own runner, with `SharedInfo`."""

    @staticmethod
    def id() -> str:
        """What `runner` in tox.ini says."""
        return "shared"

    @property
    def cache(self) -> Info:
        """What is remembered of the env_dir."""
        return SharedInfo(self.env_dir)


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Make the runner known."""
    register.add_run_env(Shared)
