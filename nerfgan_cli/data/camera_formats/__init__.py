"""Cameras as other programs write them, read into `views.View`; one format per file."""
