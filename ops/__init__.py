"""`marketplace`: what the seller's engineer asks of a deployed stack, and tells it.

Reads the stack's outputs, the ledger and the customers table with ordinary AWS credentials; the
sandbox's are as good as a real account's. What bills anything is asked first.
"""
