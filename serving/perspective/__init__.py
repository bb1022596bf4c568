"""Perspective's protocol, `v1alpha1`, on our scores: for programs that can only be given another address."""
