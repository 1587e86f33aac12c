-- Orders that were placed in the days of the run, with the state that they have now.
SELECT order_id, placed_at, status, total::text AS total, currency
FROM orders
WHERE placed_at >= {start} AND placed_at < {end}
