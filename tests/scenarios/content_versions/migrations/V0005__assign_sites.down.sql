-- The undo journal restores the rows before this runs.
SELECT 1;
