"""From a message on the usage queue to one accepted usage record: fold, seal, submit."""
