"""Tables of a comparison as text, CSV and LaTeX, and tables kept up to date in documents."""
