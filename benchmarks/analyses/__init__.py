"""Measurements on finished cells, for plots and reports."""
