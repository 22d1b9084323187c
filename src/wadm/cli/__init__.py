"""The ``wadm`` command: what people type, and what they read. What programs could want too is in the client library."""
