"""The command sspcm-bench. Heavy imports live inside the commands."""
