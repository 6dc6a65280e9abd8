"""Modules: layers, mapping, StyleGAN2 and StyleGAN3 synthesis, discriminators, volume renderer."""
