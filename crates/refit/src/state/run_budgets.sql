ALTER TABLE refit.run
    ADD COLUMN budgets jsonb;
COMMENT ON COLUMN refit.run.budgets IS 'What was measured for budgets before and after it: an array of objects with name, path, line, limit, before, after and error; null if it measured none.';
