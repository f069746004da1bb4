"""The cells of a comparison, from options or a grid file."""
