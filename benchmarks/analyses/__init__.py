"""What is measured on finished cells for plots and reports."""
