"""What is frozen into the image: asyncio, and the hotpatch package.

include and package are MicroPython's; see its docs/reference/manifest.rst.
"""

include("$(MPY_DIR)/extmod/asyncio")  # noqa: F821 - given by MicroPython's makemanifest.py
package("hotpatch", base_path="$(PORT_DIR)/..")  # noqa: F821
