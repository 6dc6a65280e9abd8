"""Prepare and check the pictures and cameras that training needs."""

VERBS = {
    "check": "Report everything that is wrong with a data set, and draw its cameras.",
    "prepare": "Make a data set from published pictures or from your own.",
    "toyheads": "Draw a data set of heads, without any download.",
}
