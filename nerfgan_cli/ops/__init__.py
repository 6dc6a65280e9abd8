"""Tensor functions without parameters, each with one plain PyTorch definition."""
