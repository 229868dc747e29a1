"""Tell the cultivar of a wine from its chemistry."""
