"""Networks and trainers in files."""
