"""Submitting studies: the local `tunepipe run`, started on a Ray cluster or in Kubernetes."""
