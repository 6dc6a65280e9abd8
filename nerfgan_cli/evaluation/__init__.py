"""`nerfgan eval`: which metrics there are, what they are given, what becomes of the numbers."""
