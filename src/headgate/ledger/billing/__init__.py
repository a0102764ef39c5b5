"""What leaves the books: invoices, exports, forecasts, and what others' books are compared with."""
