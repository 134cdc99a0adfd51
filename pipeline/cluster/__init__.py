"""Submitting studies: the laptop's `tunepipe run`, started on a Ray cluster or in Kubernetes."""
