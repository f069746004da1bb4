"""Results of finished cells, grouped, with published figures beside them."""
