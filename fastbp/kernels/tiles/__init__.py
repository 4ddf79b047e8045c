"""Register tiles, packed panels, and the product of both."""
