"""Ways of evaluating: what is followed, how, and what of it is scored."""
