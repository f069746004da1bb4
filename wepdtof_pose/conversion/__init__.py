"""From one format to another: every reader and writer by name, conversion, and zipped sources."""
