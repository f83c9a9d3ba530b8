"""Answers drawn on frames."""
