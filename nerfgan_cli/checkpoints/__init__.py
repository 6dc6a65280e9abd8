"""Files of weights: our safetensors format, and official pickles read without running them."""
