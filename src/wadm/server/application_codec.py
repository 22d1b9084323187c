"""Applications as they are stored: read and written once, however often they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from wadm.errors import Malformed, Unreadable
from wadm.model.manifest import Application, Manifest
from wadm.server.view import StoredApplication
from wadm.wire.application_header import version_of
from wadm.wire.manifests import encode_manifest, manifest_from_builtins
from wadm.wire.reading import read
from wadm.wire.stored import decode_application, encode_application, with_deployed

KEPT_DECODED: Final = 512
"""Applications that are kept as they were read last."""

_anything: Final = msgspec.json.Decoder()


class ApplicationCodec:
    """Reads and writes applications, and remembers those that were read or written last."""

    def __init__(self) -> None:
        self._decoded: OrderedDict[tuple[str, int], Application] = OrderedDict()
        self._encoded: tuple[Application, bytes] | None = None
        self._writing: dict[str, tuple[bytes, Application]] = {}
        """What is being written, by key: the watch often tells of it before the answer to the write comes."""
        self._as_written: dict[str, int] = {}
        """Keys of applications stored just as this server writes them, with the revision of which that is known."""

    def forget(self) -> None:
        """Forget which revision is what: in another bucket revisions begin anew."""
        self._decoded.clear()
        self._as_written.clear()

    def forget_written(self, key: str) -> None:
        """Note that nothing that can be read is stored under a key any more."""
        self._as_written.pop(key, None)

    @contextmanager
    def writing(self, key: str, value: bytes, application: Application) -> Iterator[None]:
        """Know an application as what it is encoded to while that is being stored."""
        self._writing[key] = value, application
        try:
            yield
        finally:
            self._writing.pop(key, None)

    def note_written(self, key: str, revision: int, application: Application) -> None:
        """Note that this server has stored an application."""
        self._keep((key, revision), application)
        self._as_written[key] = revision

    def decode(self, record: StoredApplication) -> Application:
        """Return an application as a whole; raise :class:`~wadm.errors.Unreadable`."""
        key = (record.key, record.revision)
        application = self._decoded.pop(key, None)
        if application is None:
            try:
                application = decode_application(record.name, record.value)
            except Malformed as error:
                raise Unreadable(str(error)) from error
        if not record.missing:
            self._keep(key, application)
        return application

    def manifest_json(self, record: StoredApplication, version: str) -> bytes:
        """Return a version of an application as JSON, as this server writes it; raise ``Unreadable``.

        Stored just so, it is not read again each time: it is asked for more often than it changes.
        """
        if record.missing:
            return encode_manifest(self.decode(record).versions[version])
        if self._as_written.get(record.key) != record.revision:
            application = self.decode(record)
            if encode_application(application) != record.value:
                return encode_manifest(application.versions[version])
            self._as_written[record.key] = record.revision
        return version_of(record.value, version)

    def deployed_manifest(self, record: StoredApplication) -> Manifest | None:
        """Return what is deployed of an application, reading no more than that; raise ``Unreadable``."""
        if record.glance.deployed is None:
            return None
        application = self._decoded.get((record.key, record.revision))
        if application is None and (writing := self._writing.get(record.key)) is not None:
            value, being_written = writing
            application = being_written if value == record.value else None
        if application is not None:
            return application.deployed
        try:
            return manifest_from_builtins(read(_anything, record.glance.deployed, record.name))
        except Malformed as error:
            raise Unreadable(str(error)) from error

    def size_of(self, application: Application) -> int:
        """Return the bytes that an application takes in the bucket."""
        return len(self.encode(application))

    def encode(self, application: Application, record: StoredApplication | None = None) -> bytes:
        """Encode an application, once where it is measured and then written. Of what is stored as ``record`` only the
        version that is deployed is written anew, where nothing else has changed."""
        if self._encoded is None or self._encoded[0] is not application:
            before = None
            if record is not None and self._as_written.get(record.key) == record.revision:
                before = self._decoded.get((record.key, record.revision))
            if record is not None and before is not None and before.versions is application.versions:
                value = with_deployed(record.value, application.deployed_version)
            else:
                value = encode_application(application)
            self._encoded = (application, value)
        return self._encoded[1]

    def _keep(self, key: tuple[str, int], application: Application) -> None:
        self._decoded[key] = application
        while len(self._decoded) > KEPT_DECODED:
            self._decoded.popitem(last=False)
