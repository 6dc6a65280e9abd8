"""The demo: a student distilled while one waits, and a page about it.

recipe → run/ → student ─┬→ pictures, videos, costs → index.html
               teacher ──┘
"""
