"""Whole generators, teachers and students, behind one contract (`contract.py`)."""
