"""Figures as in the papers: subjects as several generators draw them, side by side."""
