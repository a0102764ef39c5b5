"""One file per page: a function from a visit to what its template is to show."""
