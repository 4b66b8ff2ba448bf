"""From what AWS Marketplace announces to the state of a license: who may be metered, till when."""
