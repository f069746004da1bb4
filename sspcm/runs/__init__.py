"""The folder of a run: what is written, how far it is, what it goes on from."""
