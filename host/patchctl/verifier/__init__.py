"""Stop 5 of 12. The verifier: what a program may do, proved before it is packed.

Takes a bound program and the limits of its site; gives a Report: findings, or a VerifiedProgram with its
worst case. Next: host/patchctl/verifier/analyze.py
"""

from patchctl.verifier.analyze import Report, VerifiedProgram, verify
from patchctl.verifier.findings import Finding
from patchctl.verifier.limits import Limits

__all__ = ["Finding", "Limits", "Report", "VerifiedProgram", "verify"]
