"""The measurements of `sspcm-bench speed`, side by side in one run on this machine."""
