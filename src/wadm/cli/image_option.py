"""The option ``--no-image-check``, and what commands do that have it: compare manifests with their images first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wadm.cli.command import option

if TYPE_CHECKING:
    from wadm.cli.image_check import ImageCheck
    from wadm.cli.manifests import Valid
    from wadm.client.client import Client


def checking_images(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option; whether to check is its argument ``image_check``."""
    return option(
        "--image-check/--no-image-check",
        "image_check",
        default=True,
        envvar="WADM_IMAGE_CHECK",
        help="Whether to look at the images first, for 2 s and 5 MB at most, and refuse what cannot work with them.",
    )(function)


def begun(written: Sequence[Valid]) -> ImageCheck:
    """Return a check that has begun to look at the images of these manifests."""
    from wadm.cli.image_check import ImageCheck, as_sent

    check = ImageCheck()
    check.look_at(as_sent(one.source, one.manifest) for one in written)
    return check


async def refuse_misfits(
    client: Client, check: ImageCheck, written: Sequence[Valid], stored: Sequence[tuple[str, str | None]]
) -> None:
    """Raise where one of these manifests cannot work with its images, before anything is changed; ``stored``: the name
    and version (``None``: the newest) of those that the server has."""
    import asyncio

    from wadm.cli.image_check import refuse_misfits
    from wadm.errors import NotFound, Unavailable

    manifests = []
    for name, version in stored:
        try:
            manifests.append(await client.get(name, version))
        except (NotFound, Unavailable):
            continue  # whoever needs it says so
    check.look_at(manifests)
    await asyncio.to_thread(refuse_misfits, check, written, manifests)
