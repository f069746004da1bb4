"""Overhead fisheye geometry: lenses, and where people stand under them."""
