"""What `sspcm-bench speed` measures, side by side in one run on this machine."""
