"""What is wrong with annotations: findings, their codes, and repairs into a copy."""
