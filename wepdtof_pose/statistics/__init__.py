"""What is in a data set, as tables and plots."""
