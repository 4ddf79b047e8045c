"""Files: networks and trainers, saved and loaded."""
