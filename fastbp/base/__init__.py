"""What the compiled and the NumPy half share: networks and trainers but for their arithmetic."""
