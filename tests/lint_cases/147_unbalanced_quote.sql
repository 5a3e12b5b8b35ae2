-- expect: flag
-- Unbalanced quote
COMMENT ON TABLE orders IS 'the customer's orders';
