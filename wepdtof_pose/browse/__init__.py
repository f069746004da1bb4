"""Data sets in the FiftyOne App, and corrections back out of it. FiftyOne is imported here only."""
