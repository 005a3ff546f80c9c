"""Flags that several studies share."""
