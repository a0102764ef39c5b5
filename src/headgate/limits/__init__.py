"""What a caller may use: rates, budgets, and what is held of them while a call runs. Pure: values in, values out."""
