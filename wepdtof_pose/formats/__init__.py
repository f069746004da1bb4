"""Readers and writers, one module a format; `conversion.registry` lists them by name."""
