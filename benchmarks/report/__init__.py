"""The HTML page of a comparison, and the commands that reproduce it."""
