"""Networks bound to the kernels: what reaches compiled code passes here, checked and in canonical form."""
