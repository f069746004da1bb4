"""`python -m wepdtof_pose` is the command wepdtof-pose."""

from wepdtof_pose.cli import main

main(prog_name="wepdtof-pose")
