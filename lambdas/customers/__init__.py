"""Who may be metered: shared by registration, subscription and metering."""
