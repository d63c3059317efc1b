"""What trips are matched by: asks, parts, rules, answers, bookings, a whole town on one day."""
