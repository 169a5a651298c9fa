"""What a client sends and sees."""
