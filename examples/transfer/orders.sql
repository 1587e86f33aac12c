-- What is read of the shop. {start} and {end} stand for the times of the days.
SELECT 'o-' || id AS order_id, placed_at, customer, amount, voucher, shipped_at
FROM orders
WHERE placed_at >= {start} AND placed_at < {end}
