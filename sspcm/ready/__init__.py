"""The ready-trained networks, each a file of weights with its model card; `make` makes them."""
