"""Heatmaps: targets, losses, flips, warps, and decoding to coordinates."""
