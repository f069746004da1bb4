"""The command sspcm. Heavy imports live inside the commands."""
