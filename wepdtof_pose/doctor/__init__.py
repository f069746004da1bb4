"""What of this machine works for the project, and what to do about what does not."""
