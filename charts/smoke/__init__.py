"""Checks a running platform from a pod inside it, and removes what the checks wrote.

Prints one line of JSON per check: name, state (ok, failed or skipped), seconds, detail, the kubectl command that shows more,
and the stand-ins that answered in place of a product. The last line has the totals. Prints no secret. Exits with 1 when a
check failed.
"""
