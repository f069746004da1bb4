"""Cells run to their end: here, on a Slurm cluster, or on Ray."""
