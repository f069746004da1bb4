"""Fetching data sets: a registry of sources, resumable HTTP, safe archives, checks of content.

`wepdtof_pose.download.install.download` does all of it; `wepdtof-pose download` is its command.
"""
