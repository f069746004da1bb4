"""Tables of a comparison: text, CSV, LaTeX, and those kept up to date in documents."""
