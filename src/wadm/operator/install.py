"""Having the kinds served: the definitions, and the way free of an original operator's API.

The original serves Applications itself, through an ``APIService`` that points at it. As long as that is there, the API
server does not look at the definition of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from wadm.background import end_if_cancelled
from wadm.operator import crds, names
from wadm.operator.kube import Kube, KubeError

API_SERVICE: Final = "v1beta1.core.oam.dev"
LOOK_AGAIN: Final = 1.0

Say = Callable[[str], None]


async def install(kube: Kube, say: Say) -> None:
    """Apply the definitions, older ones of the original included; try again until it succeeds."""
    while True:
        try:
            for definition in crds.definitions():
                await kube.apply(definition, names.OPERATOR)
        except KubeError as error:
            end_if_cancelled()
            say(f"The definitions cannot be installed: {error}")
            await asyncio.sleep(LOOK_AGAIN)
        else:
            return


async def wait_for_definitions(kube: Kube, namespace: str | None, take_over: bool, say: Say) -> None:
    """Return once both kinds can be used; ``take_over`` removes an APIService that is in the way."""
    said = ""
    while hindrance := await _hindrance(kube, namespace, take_over):
        end_if_cancelled()
        if hindrance != said:
            said = hindrance
            say(hindrance)
        await asyncio.sleep(LOOK_AGAIN)


async def _hindrance(kube: Kube, namespace: str | None, take_over: bool) -> str:
    """Return why the kinds cannot be used yet, empty where they can."""
    try:
        service = await kube.get(names.API_SERVICES, None, API_SERVICE)
        if service and service["spec"].get("service"):
            if take_over:
                await kube.delete(names.API_SERVICES, None, API_SERVICE, service["metadata"]["uid"])
            where = service["spec"]["service"]
            return (
                f"Applications are still served by {where.get('namespace')}/{where.get('name')}: "
                f"stop the original operator and run `kubectl delete apiservice {API_SERVICE}`"
            )
        for kind in (names.HOST_CONFIGS, names.APPLICATIONS):
            await kube.check_served(kind, namespace)
    except KubeError as error:
        if error.missing:
            return "The definitions of the operator's kinds are not installed: `wadm operator --print-crds` prints them"
        return f"The API server cannot be used: {error}"
    return ""
