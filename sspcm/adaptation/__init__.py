"""Networks meet a camera of one's own: adapted without labels, and whom to label next."""
