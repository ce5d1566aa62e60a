"""patchctl repairs Cortex-M firmware while it runs. README.md shows it; ARCHITECTURE.md explains it."""
