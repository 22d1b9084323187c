"""The dashboard, a rim on the client library alone. Nothing is here yet."""
