-- expect: flag
-- Quoted names
UPDATE "Order Items" SET "unit price" = 0;
