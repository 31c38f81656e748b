"""`check`: find what is wrong with the set-up before production tells.

Every check is a function from `Surroundings` to findings; `ALL` in `run` lists them. They change nothing, except that
one writes and removes a small file in the spool folder and one sends Sentry an envelope that costs nothing.
"""
