"""The annotation card as package data: joint definitions, schema, label budgets, sample."""
