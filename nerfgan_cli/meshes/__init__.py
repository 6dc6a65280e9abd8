"""Surfaces of subjects as triangles: from a density to a file that other programs open."""
