"""What the last release left in a seller's account, with usage in every stage.

`release/` holds the template of that release and all that it had written at one moment, by its own
functions, in the sandbox. `python -m tests.e2e.upgrade` writes both anew: run it with the sources
of a release when it is made, so that the next version is deployed over what sellers really have.
"""
