"""The HTML page of a comparison, and the commands that make it anew."""
