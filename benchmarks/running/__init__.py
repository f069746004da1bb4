"""Run cells on this machine, on a Slurm cluster, or on Ray."""
