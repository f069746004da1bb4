"""What is done with trained networks: evaluation, prediction, pseudo-labels, export."""
