"""What a host does with components and providers, beside what it says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wadm.hosts.images import Kind

if TYPE_CHECKING:
    from wadm.hosts.components import RunningComponent


class Runtime(Protocol):
    """Runs what a host is told to run. Whatever cannot be done raises :class:`~wadm.hosts.core.Failure`, in words that
    the host's event passes on."""

    tells_failed_updates: bool
    """Whether ``component_scale_failed`` tells of a live update that failed; real hosts tell nobody."""

    async def open(self) -> None:
        """Be ready to run things, as the host starts."""

    async def pull(self, kind: Kind, reference: str) -> str | None:
        """Have an image ready to start; return why that is not possible."""

    async def run_component(self, component_id: str, component: RunningComponent) -> None:
        """Have a component run like this from now on: started, changed or with other code."""

    async def stop_component(self, component_id: str) -> None:
        """Have a component run no longer."""

    async def start_provider(self, provider_id: str, reference: str, config: tuple[str, ...]) -> None:
        """Start a provider with what the named configurations hold."""

    async def stop_provider(self, provider_id: str) -> None:
        """Stop a provider."""

    def is_healthy(self, provider_id: str) -> bool:
        """Whether a provider says that it is well."""

    async def close(self) -> None:
        """End all that runs, as the host ends."""


class Simulated:
    """Runs nothing: a simulated host remembers what it was told to run."""

    tells_failed_updates = False

    async def open(self) -> None:
        """Do nothing."""

    async def pull(self, kind: Kind, reference: str) -> str | None:
        """Find nothing wrong with any image."""
        return None

    async def run_component(self, component_id: str, component: RunningComponent) -> None:
        """Do nothing."""

    async def stop_component(self, component_id: str) -> None:
        """Do nothing."""

    async def start_provider(self, provider_id: str, reference: str, config: tuple[str, ...]) -> None:
        """Do nothing."""

    async def stop_provider(self, provider_id: str) -> None:
        """Do nothing."""

    def is_healthy(self, provider_id: str) -> bool:
        """Find it well."""
        return True

    async def close(self) -> None:
        """Do nothing."""


SIMULATED = Simulated()
