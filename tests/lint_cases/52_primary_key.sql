-- expect: flag
-- ADD PRIMARY KEY
ALTER TABLE orders ADD PRIMARY KEY (id);
