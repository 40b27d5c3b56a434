"""Training: what is fed, what is made small, and the passes over the samples."""
