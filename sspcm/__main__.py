"""`python -m sspcm` is the command sspcm, so that torchrun can start it."""

from sspcm.cli import main

main()
