"""Trained networks that measure pictures: which there are, and fetching them."""

VERBS = {
    "list": "List the networks, where their authors publish them, and which are here.",
    "get": "Fetch networks by name, and check them.",
}
