"""The procedural overhead-fisheye data set: rooms, people and a camera, rendered by ray casting."""
