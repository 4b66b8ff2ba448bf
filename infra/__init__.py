"""What runs at synth: the settings, the zip, and the resources of the stack."""
