"""Who is labelled and who is held out: label budgets, splits, lists of people by id."""
