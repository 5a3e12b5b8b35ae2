-- The column itself goes with V0002.
SELECT 1;
