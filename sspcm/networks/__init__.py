"""Networks that map images (N, 3, H, W) to heatmaps (N, J, H/4, W/4)."""
