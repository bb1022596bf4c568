"""The parts of the HTTP interface that every route shares."""
