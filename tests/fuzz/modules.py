"""The readers' own modules: of their branches, nearly all are to be reached."""

from typing import Final

MODULES: Final = (
    "wadm.wire.yaml", "wadm.wire.documents", "wadm.wire.json_documents", "wadm.wire.manifests",
    "wadm.wire.manifest_shape", "wadm.wire.manifest_properties", "wadm.wire.readers", "wadm.wire.structs",
    "wadm.wire.events", "wadm.wire.host_events", "wadm.wire.inventory", "wadm.wire.reading", "wadm.wire.stored",
    "wadm.wire.application_header", "wadm.wire.links", "wadm.wire.commands", "wadm.wire.timeline",
    "wadm.wire.reply_subjects",
    "wadm.dashboard.tokens",
)  # fmt: skip
