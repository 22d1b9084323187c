"""The Kubernetes operator: hosts, applications and their Services as Kubernetes objects.

A rim on the client library. What is to be done is decided by functions from objects to objects, which know no I/O
(:mod:`.host_config`, :mod:`.render`, :mod:`.manifests`, :mod:`.conditions`, :mod:`.endpoints`, :mod:`.ownership`);
around them are a small Kubernetes client (:mod:`.kube`), a view of each lattice (:mod:`.lattices`), and reconcilers
that compare and write (:mod:`.applications`, :mod:`.mirrors`, :mod:`.services`, :mod:`.hosts`). :mod:`.program` puts
them together; read :mod:`.applications` first.

Level-triggered as the rest of wadm: an event of Kubernetes or of a lattice means *look again*, and every pass can be
killed at any point and made again.
"""
