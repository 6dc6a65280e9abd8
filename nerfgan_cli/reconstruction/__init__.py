"""Views of one subject as evidence of one scene: made of them, exported, laid in strips."""
