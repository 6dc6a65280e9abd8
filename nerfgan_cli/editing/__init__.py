"""Subjects changed and mixed by their style codes: walks, mixtures, semantic directions."""
