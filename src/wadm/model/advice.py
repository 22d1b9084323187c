"""What somebody can do about what a host or the server says: the words of the field, and the next step for each.

The texts are those of wasmCloud hosts 1.x and of wadm; a part of them is looked for.
"""

from __future__ import annotations

from typing import Final

_ADVICE: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (
        ("tagged 'latest'",),
        "give the image a version, or start the host with WASMCLOUD_OCI_ALLOW_LATEST=true",
    ),
    (
        ("failed to parse reference", "invalid reference", "invalid characters in reference"),
        "correct the image in the manifest: registry/name:tag",
    ),
    (
        ("Not authorized", "unauthorized", "denied: ", "authentication"),
        "check that the image exists, and give the host the registry's credentials (WASMCLOUD_OCI_REGISTRY_USER, "
        "_PASSWORD)",
    ),
    (
        ("failed to fetch", "failed to pull"),
        "check the image in the manifest, and that the host can reach the registry",
    ),
    (("Policy denied", "policy"), "have the policy service allow the image, or use one that it allows"),
    (("secret store not configured",), "start the host with a secrets backend (--secrets-topic)"),
    (("unable to fetch requested secrets", "Unable to fetch requested secrets"), "check the secret's backend and key"),
    (("whose deployed version", "is not deployed", "is not shared"), "deploy the application that shares it"),
    (("link already exists with different target",), "delete the other link, or give this one another name"),
    (("Specified configuration",), "put it (wash config put), or give its properties in the manifest"),
    (("exec format error",), "the provider's archive has nothing for this host's machine: build it for that"),
    (("the host is full", "out of memory"), "start another host, or ask for less"),
    (("did not answer in time", "did not answer"), "see whether the host still runs (wadm hosts), and its log"),
    (("shows no sign of",), "see the host's log: it accepted this and did not say what became of it"),
    (("The id ", "is used by"), "give the component another id, or stop what uses it"),
    (("Somebody undoes this",), "see who else manages this lattice: wadm doctor"),
    (("Unhealthy provider",), "see the provider's log on that host; stop it there to have it started anew"),
    (("shared component",), "deploy the application that shares it"),
)


def advice(text: str) -> str:
    """Return what can be done about what was said, nothing where nobody knows.

    >>> advice("Specified configuration tuning does not exist")
    'put it (wash config put), or give its properties in the manifest'
    >>> advice("Scaling component on 1 host(s)")
    ''
    """
    return next((step for parts, step in _ADVICE if any(part in text for part in parts)), "")
