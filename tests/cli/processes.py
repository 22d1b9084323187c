"""What tests need that run the command as a process of its own."""

import os


def without_settings() -> dict[str, str]:
    """This process's environment without what would tell wadm, wash or nats where to connect, or have wadm ask
    registries for the images that manifests of tests name."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("WADM_", "WASMCLOUD_", "NATS_"))}
    return {**own, "WADM_IMAGE_CHECK": "false"}
