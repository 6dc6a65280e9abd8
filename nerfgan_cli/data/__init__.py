"""Images with cameras: datasets, their sampling order, preparation of published sets."""
