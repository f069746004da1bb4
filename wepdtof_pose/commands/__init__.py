"""The command wepdtof-pose, one module a subcommand. Heavy imports live inside the commands."""
