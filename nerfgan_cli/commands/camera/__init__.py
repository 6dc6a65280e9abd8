"""Look at cameras, check them, and write them in other forms."""

VERBS = {
    "show": "Say where the cameras of a file stand, and what is wrong with them.",
    "convert": "Write the cameras of a file in another form.",
    "draw": "Draw the cameras of a file in 3D.",
}
