"""Recipes: one TOML file per published or bundled training run."""
