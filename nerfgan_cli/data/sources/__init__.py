"""Where data sets come from: one file per published set, and one for any folder of pictures."""
