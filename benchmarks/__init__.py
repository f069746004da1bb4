"""Comparison of semi-supervised methods over label budgets and seeds."""
