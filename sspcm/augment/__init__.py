"""Batched augmentations: each is a pure function of tensors and explicit random draws."""
