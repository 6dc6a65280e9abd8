"""Training: schedules, augmentation, and one file per kind of recipe that says what a step is."""
