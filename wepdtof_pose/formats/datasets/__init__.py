"""Formats of published data sets, read as their releases have them."""
