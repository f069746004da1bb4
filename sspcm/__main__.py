"""`python -m sspcm` is the command sspcm, so that torchrun can start it."""

from sspcm.commands.main import main

main()
