"""What answers are worth against the truth; NumPy on the host."""
