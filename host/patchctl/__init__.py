"""patchctl repairs Cortex-M firmware while it runs. See README.md; the walk of a patch is in ARCHITECTURE.md."""
