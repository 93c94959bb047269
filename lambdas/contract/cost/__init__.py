"""Money and time: list prices of machines, and what a run will take and cost by them."""
