"""Change every small thing of the pure modules in turn, and see a test fail: ``make mutants``."""
