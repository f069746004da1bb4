"""`python -m wepdtof_pose` is the command wepdtof-pose."""

from wepdtof_pose.commands.main import main

main(prog_name="wepdtof-pose")
