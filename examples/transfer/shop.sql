-- A shop with made-up orders: 20,000 on the day that psql's variable `day` says, and on each of the two
-- days before it.
CREATE TABLE orders (
  id         bigint PRIMARY KEY,
  placed_at  timestamptz NOT NULL,
  customer   int NOT NULL,
  amount     numeric(10, 2) NOT NULL,
  voucher    text,
  shipped_at timestamptz
);
CREATE INDEX ON orders (placed_at);
INSERT INTO orders
SELECT n,
       timestamptz :'day' - interval '2 days' + n * interval '4.32 seconds',
       1 + n * 7919 % 2500,
       5 + n * 104729 % 20000 / 100.0,
       CASE WHEN n % 9 = 0 THEN 'SPRING' WHEN n % 100 = 7 THEN 'say "hi", ' || n END,
       CASE WHEN n < 40000 THEN timestamptz :'day' + n * interval '1 second' END
FROM generate_series(0::bigint, 59999) AS n;
ANALYZE orders;
