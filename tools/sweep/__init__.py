"""Stop 12 of 12. Sweeps: what CI runs small, run at full size."""
