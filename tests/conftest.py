"""What every test may rely on: no AWS account in reach, and examples that can be repeated."""

import os

from hypothesis import settings

for _name in [name for name in os.environ if name.startswith("AWS_")]:
    # Whoever works on this has profiles, endpoints and keys in the shell; no test may use them.
    del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

# Time limits are off, since a loaded machine would make a slow example a failure.
settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True, database=None)
settings.register_profile("thorough", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
