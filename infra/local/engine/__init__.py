"""Pulumi's own engine against the local cloud: its CLI, a home with our provider in it, and stacks."""
