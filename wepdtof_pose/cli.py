"""The command wepdtof-pose."""
