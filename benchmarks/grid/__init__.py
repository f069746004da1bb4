"""What is compared: the cells of a grid, from options or a file."""
