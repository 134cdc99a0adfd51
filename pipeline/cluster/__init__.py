"""Getting there: the same `tunepipe run`, started on a Ray cluster or in Kubernetes."""
