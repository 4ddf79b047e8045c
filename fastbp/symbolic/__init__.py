"""Formulas of users as expressions: their derivatives, and the source of Python functions."""
