"""What runs leave on disk, and what is read of it again."""
